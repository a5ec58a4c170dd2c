"""The runtime of one app in one worker process: its rooms, connections, stats and background tasks."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from flask import Response, request

from ..config import privacy
from ..config.env import SettingsError
from ..config.process_state import digest
from ..config.settings import Settings
from ..process.threads import TurnLock
from ..rooms.admission import UNKNOWN, AppRules, Identity
from ..rooms.context import SessionContext
from ..rooms.events import Event
from ..rooms.memory import MemoryRegistry, take_rooms
from ..rooms.registry import Registry
from ..transport import dev_server
from ..transport.connections import Connections
from ..transport.route import refuse
from ..version import __version__
from .call_lines import CallLines
from .cluster import Cluster
from .control import Control
from .event_queue import EventQueue, Receivers
from .gate import Gate, Handshake
from .handler import Handler, YieldingAdmission
from .history import History
from .info import NodeInfo
from .rejection import Rejection
from .turn_check import TurnCheck

if TYPE_CHECKING:
    from ..rooms.redis.registry import RedisRegistry

log = logging.getLogger(__name__)

NO_REDIS = "Redis needs gevent, which flask run does not have: leave out SIGNALING_REDIS_URL, or use gunicorn."

NODES: weakref.WeakSet[Node] = weakref.WeakSet()
"""The nodes of this process."""


class Background(Protocol):
    """A task that runs beside the requests of one node."""

    def start(self) -> None:
        """Start in the worker process. Does not wait."""

    def stop(self) -> None:
        """Free everything that the next worker needs, such as a port. Does not wait."""


class Node:
    """The runtime of one app in one worker process. Apps of one process share nothing.

    Attributes:
        settings: the settings of the app.
        shared: the rooms in Redis, or None if ``SIGNALING_REDIS_URL`` is empty.
        registry: the rooms: the given ones, those in Redis, or the app's own in memory.
        context: the objects that all sessions share.
        stats: the counts and records.
        connections: the open WebSockets.
        gate: the rules and limits of handshakes.
        events: the events of calls that wait for the app.
        call_lines: the log lines of ended calls; None if the log has those of connections.
        history: samples of the last minutes.
        cluster: the other nodes that share the rooms, or None without Redis.
        control: what an app does with its calls and users.
        background: the tasks that start and stop with the node.
        turn_check: the check of the TURN servers; None if there is none.
        serves_metrics: whether this node has the metrics port.
        lock: held by each thread that changes the state, where requests have threads.
        test_client: returns a client for tests of the app.
        started: the time of its start, in seconds of the monotonic clock.
        settings_digest: the digest of the environment at its start.
    """

    test_client: Callable[..., Any]

    def __init__(
        self,
        settings: Settings,
        registry: Registry | None = None,
        admission: AppRules | None = None,
        receivers: Receivers | None = None,
        max_events: int = 10_000,
    ) -> None:
        """Make the runtime of one more app.

        Args:
            settings: the settings of the app.
            registry: the rooms, in place of those that the settings ask for.
            admission: the rules of the app; without them, everybody may join as any user.
            receivers: the receivers of the app for events of calls.
            max_events: events that may wait for them.

        Raises:
            signaling.config.env.SettingsError: a setting cannot be used.
        """
        self.started = time.monotonic()
        self.settings_digest = digest(os.environ)
        self.settings = settings
        self._admission = admission
        self.lock = TurnLock()
        self.shared = self._make_shared() if registry is None else None
        if registry is None:
            registry = take_rooms(settings.call_grace) if self.shared is None else self.shared
        self.registry: Registry = registry
        rules = YieldingAdmission(admission, self.lock) if admission is not None and self.lock.needed else admission
        self.context = SessionContext.of(settings, registry, rules)
        self.stats = self.context.stats
        if self.shared is not None:
            redis = self.shared.redis
            self.stats.pseudonyms.secret = lambda: redis.secret
        if settings.privacy:
            privacy.turn_on()
        self.connections = Connections(settings, self.stats.on_heartbeat, self.stats.latency.observe, self.lock)
        self.gate = Gate(settings, self.connections, registry, admission)
        self.events = EventQueue(receivers, max_events, self._expire_calls)
        self.call_lines = CallLines(self.stats) if settings.log_events == "calls" else None
        registry.directory.on_event = self._on_event
        self.history = History(self.connections, registry, self.stats)
        self.cluster = None if self.shared is None else Cluster(self.shared.bus)
        self.control = Control(registry, self.context.sessions, self.cluster, self.lock)
        self.turn_check = TurnCheck(settings) if settings.turn_check_interval and settings.turn_urls else None
        self.background: list[Background] = [] if self.turn_check is None else [self.turn_check]
        self.serves_metrics = False
        NODES.add(self)

    def _make_shared(self) -> RedisRegistry | None:
        if not self.settings.redis_url:
            return None
        if self._would_share_rooms():
            # The other app may be unused. Then it stays in memory until it is collected.
            gc.collect()
            if self._would_share_rooms():
                raise SettingsError(
                    f"SIGNALING_REDIS_PREFIX={self.settings.redis_prefix!r} is also the prefix of another app in this "
                    "process, which has other settings, so their users would meet; give each app a prefix of its own"
                )
        # A service without Redis does not load it into memory.
        from ..rooms.redis.registry import RedisRegistry

        return RedisRegistry(self.settings, lambda: msgspec.json.encode(self.info()))

    def _would_share_rooms(self) -> bool:
        """Return whether an app with other settings has the same rooms. With equal settings they may share them."""
        own = self.settings
        return any(
            node.shared is not None
            and (node.settings.redis_url, node.settings.redis_prefix) == (own.redis_url, own.redis_prefix)
            and (node.settings, node.rules) != (own, self.rules)
            for node in NODES
        )

    def info(self) -> NodeInfo:
        """Return the present state for other nodes."""
        return NodeInfo(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            release=self.settings.release,
            settings=self.settings_digest,
            started=time.time() - (time.monotonic() - self.started),
            draining=self.connections.draining,
            connections=len(self.connections),
            rooms=self.registry.room_count,
            metrics=self.serves_metrics,
        )

    def start(self) -> None:
        """Start the background tasks, in the worker process. Does not wait."""
        if self.shared is not None:
            self.shared.redis.start()
        self.events.start()
        if self.call_lines is not None:
            # Without a client as well: the calls of dead nodes end here.
            self.call_lines.start()
        for task in self.background:
            task.start()
        if self.settings.ops_token:
            self.history.start()

    def stop_metrics(self) -> None:
        """Stop the background tasks, which frees the metrics port for the next worker. Does not wait."""
        for task in self.background:
            task.stop()

    def _on_event(self, event: Event) -> None:
        if self.context.webhook is not None:
            self.context.webhook.tell(event)
        if self.call_lines is not None:
            self.call_lines.put(event)
        self.events.put(event)

    def _expire_calls(self) -> None:
        # In Redis, the heartbeats do it.
        if isinstance(self.registry, MemoryRegistry):
            self.registry.expire()

    def end_calls(self) -> None:
        """End the calls that end with this process: those in its memory. Does not wait."""
        if isinstance(self.registry, MemoryRegistry):
            self.registry.end_all_calls("restart")

    def leave_cluster(self) -> None:
        """Leave the rooms in Redis, so that the other nodes know. Waits."""
        NODES.discard(self)
        if self.shared is not None:
            self.shared.redis.stop()

    def client_address(self) -> str:
        """Return the address of the client of this request. It is empty if no proxy names it on a Unix socket."""
        return self.gate.client_address(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""))

    def admit(self) -> Handler | Response:
        """Return the handler of the connection of this handshake, or the response that refuses it."""
        if self.shared is not None and dev_server.SOCKET in request.environ:
            return refuse(501, NO_REDIS)
        handshake = _handshake()
        address = self.gate.client_address(handshake.remote, handshake.forwarded)
        with self.lock:
            rejection = self.gate.rejection(handshake, address)
        # The app's login sees the address that it sees in other requests.
        identity = UNKNOWN
        if rejection is None:
            identity = self.identify()
            # The app may have taken seconds.
            with self.lock:
                rejection = self.gate.rejection_after_wait(address)
        # Log lines about the request name the client, and not the proxy.
        request.remote_addr = address
        if rejection is not None:
            with self.lock:
                self.stats.refuse(rejection.reason, rejection.words)
            return refuse(rejection.status, rejection.words, **rejection.headers)
        return self._handler(address, identity)

    def admit_without_app(self, handshake: Handshake) -> Handler | None:
        """Return the handler of a connection that the app need not decide about, or None if :meth:`admit` must.

        No request of Flask is needed, and nothing waits. A refusal has no effect here.
        """
        # The log counts each refusal of a split server.
        if self.gate.has_loader or self.gate.is_split(handshake):
            return None
        address = self.gate.client_address(handshake.remote, handshake.forwarded)
        if self.gate.rejection(handshake, address) is not None:
            return None
        return self._handler(address, self.identify())

    def _handler(self, address: str, identity: Identity) -> Handler:
        if self.call_lines is not None:
            self.call_lines.start()
        return Handler(self.context, self.connections, self.gate.limiter, self.events, self.lock, address, identity)

    @property
    def rules(self) -> object:
        """Return what is equal for two apps whose users may meet in the same rooms."""
        return None if self._admission is None else self._admission.rules

    def identify(self) -> Identity:
        """Return the user of the present request, as the app knows them. It may wait."""
        return UNKNOWN if self._admission is None else self._admission.identify()

    def rejection(self) -> Rejection | None:
        """Return why the client of this request would get no WebSocket, or None if it would get one."""
        return self.gate.rejection(_handshake(), self.client_address(), count=False)


def _handshake() -> Handshake:
    """Return the handshake of the current request."""
    return Handshake(
        request.remote_addr or "",
        request.headers.get("X-Forwarded-For", ""),
        request.headers.get("Origin"),
        request.host,
        bool(request.environ.get("wsgi.multiprocess")),
    )
