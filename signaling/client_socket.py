"""The socket of a client, which is bounded in all it does until it is a WebSocket.

gunicorn reads and writes requests through it. Each read and write keeps to the deadline of its phase, and gives way
to the other connections afterwards, also where the next bytes are there already.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent.socket
import gevent.ssl

if TYPE_CHECKING:
    from .pending import Pending

    _Base = gevent.socket.socket
else:
    _Base = object


RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which a close forgets what is not sent yet."""


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
        data: bytes = self._within_bounds(super().recv, *given)
        return data

    def send(self, data: Any, flags: int = 0, *_: Any, **__: Any) -> int:
        """As the socket's own, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        # A time-out that it is given is that of `sendall`, which follows from ours.
        count: int = self._within_bounds(super().send, data, flags)
        return count

    def _within_bounds(self, operation: Callable[..., Any], *given: Any) -> Any:
        pending = self.bounds
        if pending is None:
            return operation(*given)
        self.settimeout(pending.time_left())
        began = time.monotonic()
        pending.waiting = True
        try:
            done = operation(*given)
        finally:
            pending.waiting = False
        pending.moved(done if isinstance(done, int) else len(done), time.monotonic() - began)
        pending.share.acquire()
        return done


class ClientSocket(Bounded, gevent.socket.socket):
    """A TCP or Unix socket."""

    __slots__ = ("bounds",)


class TlsClientSocket(Bounded, gevent.ssl.SSLSocket):
    """A socket with TLS."""

    # It reads before anybody can bound it, if the client is gone already.
    bounds: Pending | None = None
