"""All WebSockets of a worker: count them, ping them, and close them when the worker stops."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent

from ..config.settings import Settings
from ..process import threads
from ..protocol.codes import CloseCode
from . import malloc, tick
from .connection import Connection
from .threaded import ThreadedConnection

log = logging.getLogger(__name__)

DRAIN_RATE = 100
"""Clients a second that a drain closes. If the drain has too little time for that, it closes more."""

MAX_PINGS_PER_STEP = 100
"""Clients that the heartbeat pings or closes in a row. Then all others have their turn."""

_PAUSE = 0.001
"""Seconds between two such steps. The event loop polls its sockets meanwhile."""

_TRIM_CONNECTIONS = 1_000
"""Closed connections after which memory is returned. The pause is not worth it for fewer."""

AnyConnection = Connection | ThreadedConnection


class Connections:
    """The open connections of one node, with one heartbeat for all of them.

    Attributes:
        draining: True once the worker stops. Callers refuse new connections then.
    """

    def __init__(
        self,
        settings: Settings,
        on_beat: Callable[[float], object] = lambda _: None,
        on_latency: Callable[[float], object] = lambda _: None,
        lock: threads.TurnLock | None = None,
    ) -> None:
        """Create an empty set of connections.

        Args:
            settings: the settings of the node.
            on_beat: called at each heartbeat with the lag of the event loop in seconds.
            on_latency: called with the seconds from a ping to its pong.
            lock: the lock of the node, which the heartbeat takes. The caller of the methods holds it.
        """
        self.draining = False
        self._drain_seconds = settings.drain_seconds
        self._on_beat = on_beat
        self._on_latency = on_latency
        self._lock = lock or threads.TurnLock()
        self._interval = settings.ping_interval
        self._timeout = settings.ping_timeout
        self._beat_interval = min(1.0, settings.ping_interval / 4, settings.ping_timeout / 4)
        # When each connection is due, in seconds of the monotonic clock. All entries of a dict have the same delay, so
        # its order is that of the due times, and a heartbeat looks only at entries that are due.
        self._open: dict[AnyConnection, float] = {}
        self._pinged: dict[AnyConnection, float] = {}
        # The most open connections since memory was last returned, and the number at the last heartbeat.
        self._peak = 0
        self._last_count = 0
        self._heartbeat: Any = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: AnyConnection) -> None:
        """Add ``connection``, and ping it from now on. If the worker drains, close it."""
        self._open[connection] = time.monotonic() + self._interval
        self._peak = max(self._peak, len(self._open))
        if self.draining:
            # Its handshake was under way when the drain began.
            self._close_for_restart(connection)
        if self._heartbeat is None:
            # Not earlier: the process that makes the node may fork, or never serve.
            self._heartbeat = threads.spawn(self._beat)

    def waiting(self) -> tuple[int, int]:
        """Return the bytes that are buffered for slow clients, and the number of these clients."""
        buffered = [count for connection in self._open if (count := connection.waiting_bytes)]
        return sum(buffered), len(buffered)

    def discard(self, connection: AnyConnection) -> None:
        """Remove ``connection``. Do nothing if it is not there."""
        self._open.pop(connection, None)
        self._pinged.pop(connection, None)

    def drain(self) -> None:
        """Refuse new connections from now on, and close the open ones with 1012, spread over time. Waits."""
        self.draining = True
        connections = list(self._open)
        if not connections:
            return
        # Closed clients reconnect. All at once would be too many for the new worker.
        seconds = min(self._drain_seconds, len(connections) / DRAIN_RATE)
        log.info("Telling %d clients that the server restarts, within %.1f seconds", len(connections), seconds)
        begin = time.monotonic()
        for number, connection in enumerate(connections):
            gevent.sleep(max(0.0, begin + seconds * number / len(connections) - time.monotonic()))
            self._close_for_restart(connection)

    def close_all(self) -> None:
        """Close all open connections with 1012 at once, and each that is added later. Does not wait."""
        self.draining = True
        for connection in list(self._open):
            self._close_for_restart(connection)

    def _close_for_restart(self, connection: AnyConnection) -> None:
        self._close(connection, CloseCode.SERVICE_RESTART, "The server is restarting")

    def _close(self, connection: AnyConnection, code: CloseCode, reason: str) -> None:
        try:
            connection.close(code, reason)
        except Exception as error:
            tick.abort(connection, error)

    def _beat(self) -> None:
        while True:
            due = time.monotonic() + self._beat_interval
            threads.sleep(self._beat_interval)
            for step in (self._report_lag, self._trim_memory, self._ping_all):
                try:
                    step(due)
                except Exception:
                    log.exception("An internal error in the heartbeat, which goes on")

    def _report_lag(self, due: float) -> None:
        with self._lock:
            self._on_beat(max(0.0, time.monotonic() - due))

    def _ping_all(self, _: float) -> None:
        while self._ping():
            # Thousands that came at once are due at once.
            threads.sleep(_PAUSE)

    def _ping(self) -> bool:
        """Ping the clients that are due, and close those that did not answer; return whether more may be due."""
        # Not inside _beat: its variables would keep a closed connection alive until the next heartbeat.
        now = time.monotonic()
        with self._lock:
            for connection in (silent := _due(self._pinged, now)):
                del self._pinged[connection]
                if not connection.alive:
                    self._close(connection, CloseCode.PING_TIMEOUT, "No answer to a ping")
            for connection in (due := _due(self._open, now)):
                del self._open[connection]
                self._open[connection] = now + self._interval
                try:
                    self._ping_one(connection, now)
                except Exception as error:
                    tick.abort(connection, error)
            return MAX_PINGS_PER_STEP in (len(silent), len(due))

    def _ping_one(self, connection: AnyConnection, now: float) -> None:
        if connection.latency is not None:
            self._on_latency(connection.latency)
            connection.latency = None
        if connection.alive or connection not in self._pinged:
            self._pinged.pop(connection, None)
            connection.alive = False
            connection.ping()
            self._pinged[connection] = now + self._timeout

    def _trim_memory(self, _: float) -> None:
        with self._lock:
            # Only once the number has stopped falling.
            count = len(self._open)
            if self._peak - count >= _TRIM_CONNECTIONS and count >= self._last_count:
                self._peak = count
                malloc.trim()
            self._last_count = count


def _due(queue: dict[AnyConnection, float], now: float) -> list[AnyConnection]:
    due: list[AnyConnection] = []
    for connection, time_due in queue.items():
        if time_due > now or len(due) == MAX_PINGS_PER_STEP:
            break
        due.append(connection)
    return due
