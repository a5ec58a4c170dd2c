"""The opening handshake (RFC 6455, section 4.2), on two paths that agree on every input. Pure.

The fast path accepts what browsers send, which is nearly everything. The sans-I/O protocol of `websockets` decides
about the rest, and takes thirty times as long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.utils import accept_key

# The headers that decide about an opening handshake. Extensions are not among them: the server accepts none.
_HEADERS = {
    "HTTP_" + header.upper().replace("-", "_"): header
    for header in (
        "Connection",
        "Upgrade",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
    )
}

# Firefox adds keep-alive.
_CONNECTION = {"Upgrade", "upgrade", "keep-alive, Upgrade"}

# 16 bytes in base64.
_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch


class HandshakeError(ValueError):
    """An opening handshake that cannot be accepted; ``str()`` of it is one sentence that says why.

    Attributes:
        status: the HTTP status of the refusal.
        headers: the headers of the refusal.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


def accept(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of the 101 that accepts the opening handshake of a WSGI environment.

    Raises:
        HandshakeError: the request is no valid opening handshake.
    """
    return accept_fast(environ) or _accept_slow(environ)


def accept_fast(environ: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the headers if the fast path accepts the handshake, else None."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if (
        environ.get("HTTP_UPGRADE") == "websocket"
        and environ.get("HTTP_CONNECTION") in _CONNECTION
        and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
        and "HTTP_SEC_WEBSOCKET_PROTOCOL" not in environ
        and "CONTENT_LENGTH" not in environ
        and "HTTP_TRANSFER_ENCODING" not in environ
        and environ["REQUEST_METHOD"] == "GET"
        and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        and _is_key(key)
    ):
        return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(key)}
    return None


def _accept_slow(environ: Mapping[str, Any]) -> dict[str, str]:
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION", "13")
    if version != "13":
        raise HandshakeError(
            426, f"WebSocket version 13 is needed, not {version[:16]!r}.", {"Sec-WebSocket-Version": "13"}
        )
    if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
        raise HandshakeError(400, "Bad WebSocket handshake: it has a body.")
    headers = Headers((header, environ[name]) for name, header in _HEADERS.items() if name in environ)
    library = ServerProtocol(select_subprotocol=_select_first)
    answer = library.accept(Request(environ["RAW_URI"], headers, environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"]))
    if answer.status_code != 101:
        raise HandshakeError(400, f"Bad WebSocket handshake: {library.handshake_exc}.")
    # gunicorn writes its own Date.
    del answer.headers["Date"]
    return dict(answer.headers.raw_items())


def _select_first(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # This server uses no subprotocol. But a browser that offers some gives up if the server selects none.
    return offered[0] if offered else None
