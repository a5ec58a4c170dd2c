"""The socket of a client, with limits until it is a WebSocket.

gunicorn reads and writes requests through it. Each read and write keeps the deadline of its phase. Afterwards it lets
other connections work, even if its next bytes are already there.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import gevent.socket
import gevent.ssl

from .socket_io import WOULD_BLOCK, reader, writer

if TYPE_CHECKING:
    from .pending import Pending

    _Base = gevent.socket.socket
else:
    _Base = object


# The start of the answer that makes a connection a WebSocket, ours or that of another extension.
_ACCEPTED = b"HTTP/1.1 101"

_PIECE_BYTES = 65_536


class Bounded(_Base):
    """The limits that both kinds of sockets share.

    Attributes:
        bounds: the limits, None once it is a WebSocket.
    """

    __slots__ = ()

    bounds: Pending | None
    _read_event: Any
    _write_event: Any

    def recv(self, *args: Any) -> bytes:
        """Do the same as ``socket.recv``, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        bounds = self.bounds
        data: bytes
        if bounds is None:
            data = super().recv(*args)
            return data
        bounds.time_left()
        # gevent's own methods take longer to do the same.
        read = reader(self)
        while True:
            try:
                data = read(*args)
                break
            except WOULD_BLOCK:
                bounds.wait(self._read_event)
            except ssl.SSLEOFError:
                data = b""
                break
        bounds.add_bytes(len(data))
        bounds.acquire_share()
        return data

    def send(self, data: Any, flags: int = 0, *args: Any, **options: Any) -> int:
        """Do the same as ``socket.send``, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        bounds = self.bounds
        if bounds is None:
            return super().send(data, flags, *args, **options)
        write = writer(self)
        while True:
            try:
                count: int = write(data, flags) if flags else write(data)
            except WOULD_BLOCK:
                count = 0
            if count or not len(data):
                break
            bounds.wait(self._write_event)
        bounds.add_bytes(count)
        first, bounds.answering = not bounds.answering, True
        if first and bytes(data[: len(_ACCEPTED)]) == _ACCEPTED:
            self.bounds = None
            bounds.switch()
        else:
            bounds.acquire_share()
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Do the same as ``socket.sendall``, within the deadline of the phase.

        Raises:
            TimeoutError: the deadline is over.
        """
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view[:_PIECE_BYTES], flags) :]

    def release(self) -> None:
        """Let go of the bare socket, which a connection has taken over. A close of this object does nothing then."""
        self._sock = None


class ClientSocket(Bounded, gevent.socket.socket):
    """A TCP or Unix socket."""

    __slots__ = ("bounds",)

    def __init__(self, *args: Any, **options: Any) -> None:
        self.bounds = None
        super().__init__(*args, **options)


class TlsClientSocket(Bounded, gevent.ssl.SSLSocket):
    """A socket with TLS from :meth:`start_tls` on.

    gevent's constructor wraps a second socket around the first, and asks the kernel what is known here.
    """

    server_side = True
    server_hostname = None
    suppress_ragged_eofs = True
    _connected = True

    def __init__(self, *args: Any, **options: Any) -> None:
        self.bounds: Pending | None = None
        self._sslobj: Any = None
        gevent.socket.socket.__init__(self, *args, **options)

    @property
    def has_tls(self) -> bool:
        """Whether the handshake may begin."""
        return self._sslobj is not None

    def peek(self) -> bytes:
        """Return the first byte that the client sent, and leave it there; an empty string if the client has closed.

        Raises:
            BlockingIOError: there is none yet.
        """
        first: bytes = self._sock.recv(1, socket.MSG_PEEK)  # type: ignore[attr-defined]
        return first

    def start_tls(self, context: Any) -> None:
        """Expect a TLS handshake, which :meth:`continue_handshake` does.

        Args:
            context: an :class:`ssl.SSLContext` or a :class:`~signaling.transport.tls.ReloadingContext`.
        """
        self._context = context
        sock = self._sock
        self._sslobj = context._wrap_socket(sock, True, None, owner=sock)

    def continue_handshake(self) -> None:
        """Do the rest of the TLS handshake, as far as that is possible now.

        Raises:
            ssl.SSLWantReadError: the rest needs bytes from the client.
            ssl.SSLWantWriteError: the socket takes no more bytes now.
        """
        self._sslobj.do_handshake()


def decrypted(sock: gevent.socket.socket) -> bytes:
    """Return the bytes that OpenSSL has decrypted. A wait for the socket to be readable would miss them."""
    data = b""
    if isinstance(sock, gevent.ssl.SSLSocket):
        while count := sock.pending():
            data += sock.read(count)
    return data
