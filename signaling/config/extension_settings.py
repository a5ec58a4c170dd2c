"""The settings of the Flask extension, beside those of the service."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .types import Count, PublicUrl, Seconds, ServiceUrl

DEFAULT_TTL = 300
"""Seconds that a token of an app is valid. A page takes it to the server at once."""


class ExtensionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that only an app with the extension has."""

    url_prefix: Annotated[
        str,
        Meta(
            pattern=r"^(/[^/?#\s]+)*$",
            description="The path in front of all routes, such as `/call`; `Signaling(url_prefix=…)` comes before it.",
        ),
    ] = ""
    open: Annotated[
        bool,
        Meta(description="Whether anybody may join as any user, in an app without a user loader and a key for tokens."),
    ] = False
    hook_timeout: Annotated[
        Seconds,
        Meta(description="Seconds that a user loader or an authorizer may take; after that, the client is refused."),
    ] = 5.0
    page: Annotated[
        bool,
        Meta(description="Whether `/` below the prefix is the call page; without it, the WebSocket stays."),
    ] = True
    event_queue: Annotated[
        Count,
        Meta(description="Events of calls that wait for the receivers of signals; further ones are dropped."),
    ] = 10_000
    service_url: Annotated[
        ServiceUrl,
        Meta(
            description="The address of the service that runs beside the app, which is then its client and has no "
            "WebSocket; empty for a service inside the app."
        ),
    ] = ""
    service_public_url: Annotated[
        PublicUrl,
        Meta(
            description="The address of that service for browsers, if it is another one: a URL, or a path on the host "
            "of the app such as `/call`."
        ),
    ] = ""
