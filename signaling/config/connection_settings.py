"""The settings of the listening socket, of TLS, and of each connection."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .fallbacks import Fallbacks
from .types import Count, Seconds


class ConnectionSettings(Fallbacks, frozen=True, kw_only=True):
    """The first part of the :class:`~signaling.config.settings.Settings`."""

    port: Annotated[
        int,
        Meta(ge=0, le=65_535),
        Meta(description="The TCP port to listen on; 0 lets the system choose a free one."),
    ] = 8443
    bind: Annotated[
        str,
        Meta(description="The address to listen on, or `unix:` and a path; empty for every IPv4 and IPv6 address."),
    ] = ""
    tls_cert: Annotated[
        str,
        Meta(description="Path of the certificate chain in PEM; without it and the key the service speaks plain HTTP."),
    ] = ""
    tls_key: Annotated[str, Meta(description="Path of the certificate's private key in PEM, not encrypted.")] = ""
    tls_reload_interval: Annotated[
        Seconds, Meta(description="Seconds between two checks of the certificate's files for a renewal.")
    ] = 10.0
    handshake_timeout: Annotated[
        Seconds,
        Meta(
            description="Seconds that a client may take for its TLS handshake, for the head of a request, and for the "
            "waits during a request."
        ),
    ] = 10.0
    max_head_bytes: Annotated[
        Annotated[int, Meta(ge=1_024, le=65_536)],
        Meta(description="Bytes of the head of an HTTP request, at most; a longer one is refused with 431."),
    ] = 8_192
    max_connections: Annotated[
        Count, Meta(description="WebSockets of a worker, at most; the next one is refused with 503.")
    ] = 10_000
    max_message_bytes: Annotated[
        Annotated[int, Meta(ge=1_024, le=16_777_216)],
        Meta(description="Bytes of one message, at most; a longer one closes its connection with 1009."),
    ] = 65_536
    send_buffer_bytes: Annotated[
        Annotated[int, Meta(ge=65_536, le=1_073_741_824)],
        Meta(description="Bytes buffered for a client that reads slowly; a client over the limit is disconnected."),
    ] = 1_048_576
    ping_interval: Annotated[Seconds, Meta(description="Seconds between two WebSocket pings to a client.")] = 25.0
    ping_timeout: Annotated[
        Seconds, Meta(description="Seconds that a pinged client may stay silent before it is closed with 4008.")
    ] = 20.0
    close_timeout: Annotated[
        Seconds,
        Meta(description="Seconds that a client may take to answer a close frame before its TCP connection ends."),
    ] = 1.0
