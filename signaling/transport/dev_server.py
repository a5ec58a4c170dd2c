"""WebSockets under Flask's development server, which has a thread for each request."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from .socket_io import WOULD_BLOCK

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SOCKET = "werkzeug.socket"
"""The key of the client's socket in a WSGI environment of Flask's development server."""

_READ_BYTES = 65_536

# The development server reads what is left before it closes the socket. There is nothing, so this is a safety net.
_LEFTOVER_SECONDS = 1.0


def problem(environ: WSGIEnvironment) -> str | None:
    """Return why the development server cannot hold a WebSocket, or None if it can."""
    if environ.get("wsgi.multithread"):
        return None
    return "WebSockets need threads: start flask run without --without-threads."


def run(handler: Callable[[socket.socket, bytes], None], environ: WSGIEnvironment, head: bytes) -> Iterator[bytes]:
    """Send the ``head`` of the 101 and call ``handler`` until the WebSocket has ended. This yields nothing.

    The development server would add a header to the 101 that some clients refuse: ``Connection: close``. So it sends
    its own head afterwards, to a socket that takes no more, and logs the request then.
    """
    sock: socket.socket = environ[SOCKET]
    try:
        with suppress(OSError):
            sock.sendall(head)
            sock.setblocking(False)
            handler(sock, _read_ahead(environ))
    finally:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.settimeout(_LEFTOVER_SECONDS)
    yield from ()


def _read_ahead(environ: WSGIEnvironment) -> bytes:
    """Return the bytes that the server read behind the head of the request: the first WebSocket frames."""
    data = b""
    read = getattr(environ["wsgi.input"], "read1", None)
    if read is not None:
        with suppress(*WOULD_BLOCK):
            data = read(_READ_BYTES) or b""
    sock = environ[SOCKET]
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        data += sock.recv(_READ_BYTES)
    return data
