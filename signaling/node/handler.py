"""The connection of one accepted handshake, from its first byte to its last."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import dataclass
from typing import TypedDict

import gevent.socket
from simple_websocket import ConnectionClosed

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
from .event_queue import EventQueue

log = logging.getLogger(__name__)


class _Options(TypedDict):
    max_message_bytes: int
    send_buffer_bytes: int
    close_timeout: float
    received: bytes


@dataclass(frozen=True, slots=True)
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

    def __call__(self, sock: gevent.socket.socket | socket.socket, read_ahead: bytes) -> None:
        """Serve the client until the WebSocket has ended. Waits.

        Args:
            sock: a socket of gevent; or a plain, non-blocking one, which this thread then serves.
            read_ahead: the bytes that the client sent right behind its handshake.
        """
        with self.lock:
            session, connection = self._open(sock, read_ahead)
        log.info("Client connected", extra={"connection": session.id})
        try:
            while True:
                message = connection.receive()
                with self.lock:
                    session.receive(message)
        except ConnectionClosed:
            pass
        except Exception:
            log.exception("An error of this server closes a connection", extra={"connection": session.id})
            connection.close(CloseCode.INTERNAL_ERROR, "Internal error")
        finally:
            try:
                with self.lock:
                    self._disconnected(session, connection)
            finally:
                connection.wait_closed()

    def _open(
        self, sock: gevent.socket.socket | socket.socket, read_ahead: bytes
    ) -> tuple[Session, Connection | ThreadedConnection]:
        settings = self.context.settings
        connection: Connection | ThreadedConnection
        options: _Options = {
            "max_message_bytes": settings.max_message_bytes,
            "send_buffer_bytes": settings.send_buffer_bytes,
            "close_timeout": settings.close_timeout,
            "received": read_ahead,
        }
        if isinstance(sock, gevent.socket.socket):
            connection = Connection(sock, **options)
            session = Session(self.context, connection, self.identity)
            connection.on_message = session.forward
        else:
            connection = ThreadedConnection(sock, self.lock, **options)
            session = Session(self.context, connection, self.identity)
        connection.on_slow_frames = session.charge_frames
        # A gunicorn configuration without our hooks has not started it.
        self.events.start()
        self.connections.add(connection)
        self.limiter.add(self.address)
        return session, connection

    def _disconnected(self, session: Session, connection: Connection | ThreadedConnection) -> None:
        self.connections.discard(connection)
        self.limiter.discard(self.address)
        code = connection.close_code or CloseCode.ABNORMAL
        session.on_disconnect(code)
        self.context.stats.closes[code] += 1
        log.info(
            "Client disconnected",
            extra={
                "connection": session.id,
                "code": int(code),
                "reason": connection.close_reason,
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
