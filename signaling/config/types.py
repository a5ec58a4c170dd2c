"""The types of the values of settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
# Events a second or a minute; 0 for no limit.
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]

# The URLs that browsers accept. A browser that does not understand one URL makes no peer connection at all.
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_PORT = r"(:(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}))?"
StunUrl = Annotated[
    str,
    Meta(title="STUN URIs (RFC 7064)", examples=["stun:stun.example.org:3478"], pattern=rf"^stuns?:{_HOST}{_PORT}\Z"),
]
TurnUrl = Annotated[
    str,
    Meta(
        title="TURN URIs (RFC 7065)",
        examples=["turn:turn.example.org:3478?transport=udp"],
        pattern=rf"^turns?:{_HOST}{_PORT}(\?transport=(udp|tcp))?\Z",
    ),
]

Origin = Annotated[
    str,
    Meta(
        title="origins (RFC 6454)",
        examples=["https://app.example.org"],
        pattern=rf"^[a-z][a-z0-9+.-]*://(\*\.)?{_HOST}{_PORT}\Z",
    ),
]
Network = Annotated[
    str,
    Meta(
        title="addresses or networks",
        examples=["10.0.0.0/8"],
        pattern=r"^(unix|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)\Z",
    ),
]
WebhookUrl = Annotated[
    str,
    Meta(
        title="an http or https URL",
        examples=["https://app.example.org/webhook"],
        pattern=rf"^(https?://{_HOST}{_PORT}([/?][\x21-\x22\x24-\x7e]*)?)?\Z",
    ),
]
ServiceUrl = Annotated[
    str,
    Meta(
        title="an https or http URL",
        examples=["https://call.example.org"],
        pattern=rf"^(https?://{_HOST}{_PORT}(/[A-Za-z0-9._~/-]*)?)?\Z",
    ),
]
PublicUrl = Annotated[
    str,
    Meta(
        title="an https or http URL, or a path",
        examples=["https://call.example.org"],
        pattern=rf"^((https?://{_HOST}{_PORT})?(/[A-Za-z0-9._~-]+)*/?)?\Z",
    ),
]
Release = Annotated[
    str,
    Meta(title="up to 100 printable ASCII characters", examples=["2024-06-01"], pattern=r"^[ -~]{0,100}\Z"),
]
RedisPrefix = Annotated[
    str,
    Meta(
        title="1 to 64 letters, digits or any of _.:-",
        examples=["signaling"],
        pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z",
    ),
]
