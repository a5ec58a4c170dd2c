"""The connection of one accepted handshake, from its first byte to its last."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import dataclass, field
from typing import TypedDict

import gevent.socket

from ..config import privacy
from ..process.threads import TurnLock
from ..protocol.codes import CloseCode
from ..protocol.messages import User
from ..rooms.admission import Admission, Identity
from ..rooms.context import SessionContext
from ..rooms.session import Session
from ..security.connection_limit import ConnectionLimiter
from ..transport.connection import Connection
from ..transport.connections import Connections
from ..transport.threaded import ThreadedConnection
from ..transport.work_queue import APP_WORK, WORK
from .event_queue import EventQueue

log = logging.getLogger(__name__)


class _Options(TypedDict):
    max_message_bytes: int
    send_buffer_bytes: int
    close_timeout: float
    received: bytes


@dataclass(slots=True)
class Handler:
    """Serves one WebSocket. It is a :data:`~signaling.transport.pending.ConnectionHandler`."""

    context: SessionContext
    connections: Connections
    limiter: ConnectionLimiter
    events: EventQueue
    lock: TurnLock
    address: str
    """The address of the client."""
    identity: Identity
    """The user of the connection."""
    _connection: Connection | ThreadedConnection = field(init=False)
    _session: Session = field(init=False)

    def __call__(
        self, sock: gevent.socket.socket | socket.socket, read_ahead: bytes
    ) -> Connection | ThreadedConnection:
        """Serve the client, and return the connection. Waits for its end only in a plain thread.

        Args:
            sock: a socket of gevent; or a plain, non-blocking one, which this thread then serves.
            read_ahead: the bytes that the client sent right behind its handshake.
        """
        with self.lock:
            connection = self._open(sock, read_ahead)
        if self.context.logs_sessions:
            log.info("Client connected", extra={"connection": self._session.id})
        connection.start()
        return connection

    def _open(self, sock: gevent.socket.socket | socket.socket, read_ahead: bytes) -> Connection | ThreadedConnection:
        settings = self.context.settings
        connection: Connection | ThreadedConnection
        options: _Options = {
            "max_message_bytes": settings.max_message_bytes,
            "send_buffer_bytes": settings.send_buffer_bytes,
            "close_timeout": settings.close_timeout,
            "received": read_ahead,
        }
        if isinstance(sock, gevent.socket.socket):
            admission = self.context.admission
            work = APP_WORK if admission is not None and admission.has_authorizer else WORK
            connection = Connection(sock, **options, work=work)
            session = Session(self.context, connection, self.identity)
            connection.on_message = session.forward
        else:
            connection = ThreadedConnection(sock, self.lock, **options)
            session = Session(self.context, connection, self.identity)
        connection.on_slow_frames = session.charge_frames
        connection.on_work = self._work
        self._connection, self._session = connection, session
        # A gunicorn configuration without our hooks has not started it.
        self.events.start()
        self.connections.add(connection)
        self.limiter.add(self.address)
        return connection

    def _work(self) -> None:
        """Handle the messages that may wait, and the end of the connection."""
        connection, session = self._connection, self._session
        try:
            while (message := connection.next_message()) is not None:
                with self.lock:
                    session.receive(message)
        except Exception:
            log.exception("An error of this server closes a connection", extra={"connection": session.id})
            connection.close(CloseCode.INTERNAL_ERROR, "Internal error")
        except BaseException:
            # The greenlet is killed.
            connection.close(CloseCode.INTERNAL_ERROR)
            raise
        finally:
            if connection.close_code is not None:
                try:
                    with self.lock:
                        self._disconnected(session, connection, connection.close_code)
                finally:
                    connection.wait_closed()

    def _disconnected(self, session: Session, connection: Connection | ThreadedConnection, code: int) -> None:
        self.connections.discard(connection)
        self.limiter.discard(self.address)
        session.on_disconnect(code)
        stats = self.context.stats
        stats.closes[code] += 1
        if not connection.closed_by_client:
            stats.server_closes[code] += 1
        if self.context.logs_sessions and log.isEnabledFor(logging.INFO):
            log.info(
                "Client disconnected",
                extra={
                    "connection": session.id,
                    "code": int(code),
                    # A client may write anything into it. A reason for 1006 is the server's own.
                    "reason": "" if privacy.is_on() and code != CloseCode.ABNORMAL else connection.close_reason,
                    "seconds": round(time.monotonic() - connection.opened, 3),
                },
            )


@dataclass(frozen=True, slots=True)
class YieldingAdmission:
    """The rules of an app, which may take their time: other threads have their turn meanwhile."""

    rules: Admission
    lock: TurnLock

    @property
    def has_authorizer(self) -> bool:
        """Return whether the app decides about each call."""
        return self.rules.has_authorizer

    def authorize(self, user: User, peer: User) -> None:
        """Return if ``user`` may join a call with ``peer``.

        Raises:
            MessageError: see :class:`~signaling.rooms.admission.Admission`.
        """
        with self.lock.released():
            self.rules.authorize(user, peer)
