"""All WebSockets of a worker: counted, pinged, and told to go when the worker stops."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent

from ..config.settings import Settings
from ..protocol.codes import CloseCode
from . import malloc, tick
from .connection import Connection

log = logging.getLogger(__name__)

DRAIN_RATE = 100
"""How many clients a second are told that the server restarts; more, where there is no time for that."""

_CROWD = 1_000
"""What fewer connections leave behind is not worth the pause of giving it back."""


class Connections:
    """The open connections of one service in one worker, with one heartbeat for them all.

    Attributes:
        draining: True once the worker stops; no new connection is to be added then.
    """

    def __init__(
        self,
        settings: Settings,
        on_beat: Callable[[float], object] = lambda _: None,
        on_latency: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Begin with none.

        Args:
            settings: those of the service.
            on_beat: is called at each beat of the heartbeat, with the seconds by which the event loop was late.
            on_latency: is called with the seconds from a ping to its pong.
        """
        self.draining = False
        self._drain_seconds = settings.drain_seconds
        self._on_beat = on_beat
        self._on_latency = on_latency
        self._interval = settings.ping_interval
        self._timeout = settings.ping_timeout
        self._tick = min(1.0, settings.ping_interval / 4, settings.ping_timeout / 4)
        # When each is due, in seconds of the monotonic clock. Every entry of a dict has the same delay, so that its
        # order is that of the due times and a beat looks at no more than what is due.
        self._open: dict[Connection, float] = {}
        self._pinged: dict[Connection, float] = {}
        # The most that were open since memory was last given back, and how many at the last beat.
        self._peak = 0
        self._lately = 0
        self._heartbeat: gevent.Greenlet[[], None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count ``connection``, and ping it from now on."""
        self._open[connection] = time.monotonic() + self._interval
        self._peak = max(self._peak, len(self._open))
        if self.draining:
            # Its handshake was under way when the drain began.
            self._restart(connection)
        if self._heartbeat is None:
            # Not before: the service may be made in a process that forks, or never serves.
            self._heartbeat = gevent.spawn(self._beat)

    def waiting(self) -> tuple[int, int]:
        """Return how many bytes are kept for clients that read slowly, and how many clients that are."""
        kept = [kept for connection in self._open if (kept := connection.waiting_bytes)]
        return sum(kept), len(kept)

    def discard(self, connection: Connection) -> None:
        """Forget ``connection``."""
        self._open.pop(connection, None)
        self._pinged.pop(connection, None)

    def drain(self) -> None:
        """Refuse new connections from now on, and close the open ones with 1012, one after the other. Waits."""
        self.draining = True
        waiting = list(self._open)
        if not waiting:
            return
        # They come back when they are told, and all at once would be too many for whoever takes them.
        seconds = min(self._drain_seconds, len(waiting) / DRAIN_RATE)
        log.info("Telling %d clients that the server restarts, within %.1f seconds", len(waiting), seconds)
        begin = time.monotonic()
        for number, connection in enumerate(waiting):
            gevent.sleep(max(0.0, begin + seconds * number / len(waiting) - time.monotonic()))
            self._restart(connection)

    def close_all(self) -> None:
        """Close every connection that is open with 1012, and each that is yet to come. Does not wait."""
        self.draining = True
        for connection in list(self._open):
            self._restart(connection)

    def _restart(self, connection: Connection) -> None:
        self._close(connection, CloseCode.SERVICE_RESTART, "The server is restarting")

    def _close(self, connection: Connection, code: CloseCode, reason: str) -> None:
        try:
            connection.close(code, reason)
        except Exception as error:
            tick.abort(connection, error)

    def _beat(self) -> None:
        while True:
            due = time.monotonic() + self._tick
            gevent.sleep(self._tick)
            for step in (self._note_lag, self._tidy, self._ping):
                try:
                    step(due)
                except Exception:
                    log.exception("An error of this server in its heartbeat, which goes on")

    def _note_lag(self, due: float) -> None:
        self._on_beat(max(0.0, time.monotonic() - due))

    def _ping(self, _: float) -> None:
        # Not in the loop of the beat, whose variables would keep a connection long after its end.
        now = time.monotonic()
        for connection in _due(self._pinged, now):
            del self._pinged[connection]
            if not connection.alive:
                self._close(connection, CloseCode.PING_TIMEOUT, "No answer to a ping")
        for connection in _due(self._open, now):
            del self._open[connection]
            self._open[connection] = now + self._interval
            try:
                self._ping_one(connection, now)
            except Exception as error:
                tick.abort(connection, error)

    def _ping_one(self, connection: Connection, now: float) -> None:
        if connection.latency is not None:
            self._on_latency(connection.latency)
            connection.latency = None
        if connection.alive or connection not in self._pinged:
            self._pinged.pop(connection, None)
            connection.alive = False
            connection.ping()
            self._pinged[connection] = now + self._timeout

    def _tidy(self, _: float) -> None:
        count = len(self._open)
        if self._peak - count >= _CROWD and count >= self._lately:
            self._peak = count
            malloc.trim()
        self._lately = count


def _due(queue: dict[Connection, float], now: float) -> list[Connection]:
    due = []
    for connection, when in queue.items():
        if when > now:
            break
        due.append(connection)
    return due
