"""One worker's runtime of one app: its rooms, its connections, its figures, and what runs beside the requests."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import gevent
import msgspec
from flask import Response, request
from simple_websocket import ConnectionClosed

from ..config.env import SettingsError
from ..config.settings import Settings
from ..protocol.codes import CloseCode
from ..rooms.context import SessionContext
from ..rooms.memory import take_rooms
from ..rooms.registry import Registry
from ..rooms.session import Session
from ..security.client_ip import TrustedProxies
from ..security.connection_limit import ConnectionLimiter
from ..security.origins import Origins
from ..transport.connection import Connection
from ..transport.connections import Connections
from ..transport.pending import ConnectionHandler
from ..transport.route import refuse
from ..version import __version__
from .cluster import Cluster
from .history import History
from .info import NodeInfo
from .snapshot import NodeSnapshot

if TYPE_CHECKING:
    import gevent.socket

    from ..rooms.redis.registry import RedisRegistry

log = logging.getLogger(__name__)

_nodes: weakref.WeakSet[Node] = weakref.WeakSet()


class Rejection(NamedTuple):
    """Why there is no WebSocket for a client."""

    reason: str
    """One of :data:`signaling.telemetry.stats.REASONS`."""
    status: int
    """The HTTP status of the answer."""
    words: str
    """The reason in a sentence."""
    retry_after: int = 0
    """Seconds after which the client may try again; 0 if that would change nothing."""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the answer."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


class Background(Protocol):
    """What runs beside the requests of one node."""

    def start(self) -> None:
        """Begin, in the worker. Does not wait."""

    def stop(self) -> None:
        """Let go of what the next worker needs. Does not wait."""


class Node:
    """What one app has in one worker. Nothing of it is another app's.

    Attributes:
        settings: the settings of the app.
        shared: the rooms in Redis; None where the settings name no Redis.
        registry: the rooms: those that were given, else those in Redis, else the app's own in memory.
        context: what the sessions share.
        stats: what is counted and noted.
        connections: the open WebSockets.
        history: the figures of the last minutes.
        cluster: the other workers that share the rooms; None without Redis.
        parts: what else starts and stops with it.
        serves_metrics: whether the port of the metrics is this worker's.
        started: when it began, in seconds of the monotonic clock.
    """

    def __init__(self, settings: Settings, registry: Registry | None = None) -> None:
        """Make the runtime of one more app, with the rooms of ``registry`` if it is given.

        Raises:
            signaling.config.env.SettingsError: a setting cannot be used.
        """
        self.started = time.monotonic()
        self.settings = settings
        self.shared = self._shared() if registry is None else None
        if registry is None:
            registry = take_rooms() if self.shared is None else self.shared
        self.registry: Registry = registry
        self.context = SessionContext.of(settings, registry)
        self.stats = self.context.stats
        self.connections = Connections(settings, self.stats.on_heartbeat, self.stats.latency.observe)
        self._origins = Origins(settings.allowed_origins, allow_missing=settings.allow_missing_origin)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._limiter = ConnectionLimiter(settings)
        self.history = History(self.connections, registry, self.stats)
        self.cluster = None if self.shared is None else Cluster(self.shared.bus)
        self.parts: list[Background] = []
        self.serves_metrics = False
        _nodes.add(self)

    def _shared(self) -> RedisRegistry | None:
        if not self.settings.redis_url:
            return None
        if self._would_meet():
            # What is not used any more may lie about until it is collected.
            gc.collect()
            if self._would_meet():
                raise SettingsError(
                    f"SIGNALING_REDIS_PREFIX={self.settings.redis_prefix!r} is that of another app in this process, "
                    "which has other settings: their users would meet; give each app a prefix of its own"
                )
        # A service without Redis need not have it in its memory.
        from ..rooms.redis.registry import RedisRegistry

        return RedisRegistry(self.settings, lambda: msgspec.json.encode(self.info()))

    def _would_meet(self) -> bool:
        """Tell if an app with other rules has the same rooms. The same settings twice are as two workers."""
        mine = self.settings
        return any(
            node.shared is not None
            and (node.settings.redis_url, node.settings.redis_prefix) == (mine.redis_url, mine.redis_prefix)
            and node.settings != mine
            for node in _nodes
        )

    def info(self) -> NodeInfo:
        """Return what this worker tells the others of itself."""
        return NodeInfo(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            started=time.time() - (time.monotonic() - self.started),
            draining=self.connections.draining,
            connections=len(self.connections),
            rooms=self.registry.room_count,
            metrics=self.serves_metrics,
        )

    def snapshot(self) -> NodeSnapshot:
        """Return the figures of this moment."""
        return NodeSnapshot.of(self.info(), self.settings, self.connections, self.stats, self.history)

    def start(self) -> None:
        """Begin what runs beside the requests, in the worker. Does not wait."""
        if self.shared is not None:
            self.shared.redis.start()
        for part in self.parts:
            part.start()
        if self.settings.ops_token:
            self.history.start()

    def stop(self) -> None:
        """Let go of what the next worker needs."""
        for part in self.parts:
            part.stop()

    def finish(self) -> None:
        """Let the other workers know that this one is gone. Waits."""
        _nodes.discard(self)
        if self.shared is not None:
            self.shared.redis.stop()

    def client_address(self) -> str:
        """Return the address of the client whose request this is; empty on a Unix socket where no proxy tells it."""
        return self._proxies.client(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""))

    def admit(self) -> ConnectionHandler | Response:
        """Return the conversation with the client of this handshake, or the response that refuses it."""
        address = self.client_address()
        # What is logged of the request names the client as well.
        request.remote_addr = address
        rejection = self.rejection(address)
        if rejection is not None:
            self.stats.refuse(rejection.reason, rejection.words)
            return refuse(rejection.status, rejection.words, **rejection.headers)
        return partial(self._hold, address)

    def rejection(self, address: str, *, count: bool = True) -> Rejection | None:
        """Return why the client at ``address`` gets no WebSocket for the present request, or None.

        Without ``count`` this is a question only: it uses up nothing of what the address may open.
        """
        if self.connections.draining:
            return Rejection("draining", 503, "The server is restarting.", 1)
        if not self._origins.allow(request.headers.get("Origin"), request.host):
            return Rejection("origin", 403, "This origin is not allowed.")
        if len(self.connections) >= self.settings.max_connections:
            return Rejection("full", 503, "The server is full.", 10)
        if why := self._limiter.check(address, time.monotonic(), count=count):
            return Rejection("address", 429, why, 10)
        return None

    def _hold(self, address: str, sock: gevent.socket.socket, read_ahead: bytes) -> None:
        settings = self.settings
        connection = Connection(
            sock,
            max_message_bytes=settings.max_message_bytes,
            send_buffer_bytes=settings.send_buffer_bytes,
            close_timeout=settings.close_timeout,
            received=read_ahead,
        )
        session = Session(self.context, connection)
        connection.on_message = session.forward
        connection.on_slow_frames = session.charge_frames
        self.connections.add(connection)
        self._limiter.add(address)
        log.info("Client connected", extra={"connection": session.id})
        try:
            while True:
                session.receive(connection.receive())
        except ConnectionClosed:
            pass
        except Exception:
            log.exception("A fault of this server closes a connection", extra={"connection": session.id})
            connection.close(CloseCode.INTERNAL_ERROR, "Internal error")
        finally:
            try:
                self._disconnected(session, connection, address)
            finally:
                connection.wait_closed()

    def _disconnected(self, session: Session, connection: Connection, address: str) -> None:
        self.connections.discard(connection)
        self._limiter.discard(address)
        code = connection.close_code or CloseCode.ABNORMAL
        session.on_disconnect(code)
        self.stats.closes[code] += 1
        log.info(
            "Client disconnected",
            extra={
                "connection": session.id,
                "code": int(code),
                "reason": connection.close_reason,
                "seconds": round(time.monotonic() - connection.opened, 3),
            },
        )


def start_all() -> None:
    """Begin what runs beside the requests, for each app of this process."""
    for node in list(_nodes):
        node.start()


def stop_metrics() -> None:
    """Let go of what the next worker needs, for each app of this process."""
    for node in list(_nodes):
        node.stop()


def drain_all() -> None:
    """Refuse new connections and close the open ones, for all nodes of this process at the same time. Waits."""
    gevent.joinall([gevent.spawn(node.connections.drain) for node in list(_nodes)])


def close_all() -> None:
    """Close the open connections of each node of this process. Does not wait."""
    for node in list(_nodes):
        node.connections.close_all()


def open_count() -> int:
    """Return the number of open connections of this process."""
    return sum(len(node.connections) for node in list(_nodes))


def leave_cluster() -> None:
    """Let the other workers know that this one is gone, for each app of this process. Waits."""
    for node in list(_nodes):
        node.finish()
