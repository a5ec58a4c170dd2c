"""The socket of a client, which is bounded in all it does until it is a WebSocket.

gunicorn reads and writes requests through it. Each read and write keeps to the deadline of its phase, and gives way
to the other connections afterwards, also where the next bytes are there already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent.socket
import gevent.ssl

from .socket_io import WOULD_BLOCK

if TYPE_CHECKING:
    from .pending import Pending

    _Base = gevent.socket.socket
else:
    _Base = object


SWITCHING = b"HTTP/1.1 101"
"""What the answer begins with that makes a connection a WebSocket, whoever writes it."""

_PIECE_BYTES = 65_536


class Bounded(_Base):
    """What both kinds of sockets have.

    Attributes:
        bounds: what it may still do; None for no bounds, once it is a WebSocket.
    """

    __slots__ = ()

    bounds: Pending | None

    def recv(self, *given: Any) -> bytes:
        """As the socket's own, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        bounds = self.bounds
        data: bytes
        if bounds is None:
            data = super().recv(*given)
            return data
        bounds.time_left()
        while True:
            self.settimeout(0.0)
            try:
                data = super().recv(*given)
                break
            except WOULD_BLOCK:
                self._wait_for_client(bounds, gevent.socket.wait_read)
            finally:
                self.settimeout(None)
        bounds.moved(len(data))
        bounds.take_turn()
        return data

    def send(self, data: Any, flags: int = 0, *given: Any, **named: Any) -> int:
        """As the socket's own, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        bounds = self.bounds
        if bounds is None:
            return super().send(data, flags, *given, **named)
        while True:
            self.settimeout(0.0)
            try:
                count = super().send(data, flags)
            except WOULD_BLOCK:
                count = 0
            finally:
                self.settimeout(None)
            if count or not len(data):
                break
            self._wait_for_client(bounds, gevent.socket.wait_write)
        bounds.moved(count)
        first, bounds.answering = not bounds.answering, True
        if first and bytes(data[: len(SWITCHING)]) == SWITCHING:
            # From here on it is a WebSocket's, ours or another extension's.
            self.bounds = None
            bounds.switch()
        else:
            bounds.take_turn()
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As the socket's own, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view[:_PIECE_BYTES], flags) :]

    def _wait_for_client(self, bounds: Pending, wait: Callable[..., None]) -> None:
        # The wait of the base class begins anew with each byte of a TLS record.
        left = bounds.time_left()
        began = time.monotonic()
        bounds.waiting = True
        try:
            wait(self.fileno(), left, TimeoutError("the client took too long"))
        finally:
            bounds.waiting = False
            bounds.waited(time.monotonic() - began)


class ClientSocket(Bounded, gevent.socket.socket):
    """A TCP or Unix socket."""

    __slots__ = ("bounds",)

    def __init__(self, *given: Any, **named: Any) -> None:
        self.bounds = None
        super().__init__(*given, **named)


class TlsClientSocket(Bounded, gevent.ssl.SSLSocket):
    """A socket with TLS."""

    # It reads before anybody can bound it, if the client is gone already.
    bounds: Pending | None = None


def decrypted(sock: gevent.socket.socket) -> bytes:
    """Return what lies decrypted in OpenSSL: whoever waits on the socket for more does not hear of it."""
    data = b""
    if isinstance(sock, gevent.ssl.SSLSocket):
        while count := sock.pending():
            data += sock.read(count)
    return data
