"""A listening socket of a worker: accept connections within the limits of the worker, and do the TLS handshake.

A connection over a limit is closed at once: a client that waits in silence does not know why.
"""

from __future__ import annotations

import errno
import logging
import resource
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gevent.socket
from gevent.server import StreamServer
from greenlet import getcurrent

from ..config import privacy
from ..process.occasional_log import OccasionalLog
from .client_socket import ClientSocket, TlsClientSocket
from .greenlet_pool import GreenletPool
from .pending import Pending, Phase
from .pending_connections import PendingConnections
from .socket_io import RESET_ON_CLOSE

log = logging.getLogger(__name__)

RESERVED_DESCRIPTORS = 64
"""File descriptors that no client gets: Redis, the log and the static files need them."""

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_FULL_PAUSE = 0.05
"""Seconds without an accept if all places are taken and none of them has stalled."""

_MAX_REFUSALS = 64
"""Connections that are closed in a row; then all other sockets have their turn."""

Serve = Callable[[ClientSocket | TlsClientSocket, Any, Pending], None]


class Listener(StreamServer):
    """Accepts the connections of one listening socket."""

    max_accept = 20

    def __init__(
        self,
        sock: gevent.socket.socket,
        serve: Serve,
        pendings: PendingConnections,
        greenlets: GreenletPool,
        key: Callable[[Any], str],
        context: Any = None,
    ) -> None:
        """Listen on ``sock`` from :meth:`start` on.

        Args:
            sock: a socket that is bound and listens.
            serve: called with the socket of each client, its address and its place, in one of ``greenlets``.
            pendings: the places for connections.
            greenlets: the greenlets of the connections.
            key: returns the key that an address is limited by, empty if it has no limit.
            context: requires TLS.
        """
        super().__init__(sock, self._run)  # type: ignore[arg-type]
        self._serve = serve
        self._greenlets = greenlets
        self._pendings = pendings
        self._key = key
        self._context = context
        self._socket_class = ClientSocket if context is None else TlsClientSocket
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The kernel gives the lowest free number, so a high number shows how many are in use.
        self._highest = sys.maxsize if soft == resource.RLIM_INFINITY else soft - min(RESERVED_DESCRIPTORS, soft // 4)
        self._no_descriptors = OccasionalLog(log)
        self._too_many = OccasionalLog(log)

    def do_read(self) -> tuple[ClientSocket | TlsClientSocket, Any] | None:  # type: ignore[override]
        """Accept a connection; return None if there is none at the moment."""
        if not self._pendings.make_room():
            self._pause(_FULL_PAUSE)
            return None
        # gevent ends its round at the first None. A refused connection must not end it.
        for _ in range(_MAX_REFUSALS):
            try:
                number, address = self.socket._accept()  # type: ignore[attr-defined]
            except (BlockingIOError, ConnectionAbortedError):
                return None
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                self._pendings.end_stalled()
                self._no_descriptors.warning("%d times no connection could be accepted: %s", error.strerror)
                self._pause(_FULL_PAUSE)
                return None
            sock = self._socket_class(self.socket.family, self.socket.type, self.socket.proto, number)
            if (bounds := self._bounds(number, address)) is not None:
                sock.bounds = bounds
                return sock, address
            sock.close()
        return None

    def _bounds(self, number: int, address: Any) -> Pending | None:
        """Return the place of a new connection with the descriptor ``number``, None if it is over a limit."""
        if number >= self._highest:
            self._pendings.end_stalled()
            self._no_descriptors.warning(
                "%d new connections were closed: only %d files may be open; raise LimitNOFILE",
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
            return None
        bounds = self._pendings.enter(key := self._key(address))
        if bounds is None:
            self._too_many.warning("%d new connections were closed: too many from one address, %s", privacy.client(key))
        return bounds

    def _pause(self, seconds: float) -> None:
        self.stop_accepting()
        self._timer = self.loop.timer(seconds)
        self._timer.start(self._resume)

    def _resume(self) -> None:
        if self.started:
            self.start_accepting()

    def do_handle(self, client: ClientSocket | TlsClientSocket, address: Any) -> None:  # type: ignore[override]
        """Serve a connection soon. Does not wait."""
        # The messages of calls that this tick has read come first.
        self.loop.run_callback(self._greenlets.run, partial(self._run, client, address))

    def _run(self, client: ClientSocket | TlsClientSocket, address: Any) -> bool:
        """Serve a connection, and return whether the greenlet may serve others."""
        pending = client.bounds
        assert pending is not None
        pending.greenlet = getcurrent()
        try:
            if isinstance(client, TlsClientSocket):
                self._do_tls_handshake(client, pending)
            self._serve(client, address, pending)
        except OSError as error:
            # The client is gone, too slow, or speaks no TLS. Port scans cause this all the time.
            log.debug("A connection ended: %s", error)
            if pending.phase is Phase.REQUEST:
                # Else the kernel would keep the rest of an answer for minutes.
                with suppress(OSError):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        finally:
            self._pendings.leave(pending)
            client.close()
        return pending.without_app

    def _do_tls_handshake(self, client: TlsClientSocket, pending: Pending) -> None:
        pending.acquire_share()
        while True:
            try:
                if not client.has_tls:
                    # A silent client costs no OpenSSL state, which is some 50 KiB.
                    if not client.peek():
                        raise ConnectionError("the client closed before its TLS handshake")
                    client.start_tls(self._context)
                client.continue_handshake()
                return
            except (BlockingIOError, ssl.SSLWantReadError):
                pending.wait(client._read_event)
            except ssl.SSLWantWriteError:
                pending.wait(client._write_event)
            pending.acquire_share()
