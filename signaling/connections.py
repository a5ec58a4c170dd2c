"""All WebSockets of a worker: counted, pinged, and told to go when the worker stops."""

from __future__ import annotations

import logging
import time
import weakref

import gevent

from . import memory
from .connection import Connection
from .protocol import CloseCode
from .settings import Settings

log = logging.getLogger(__name__)

_CROWD = 1_000
"""What fewer connections leave behind is not worth the pause of giving it back."""

_all: weakref.WeakSet[Connections] = weakref.WeakSet()


class Connections:
    """The open connections of one service in one worker, with one heartbeat for them all.

    Attributes:
        draining: True once the worker stops; no new connection is to be added then.
    """

    def __init__(self, settings: Settings) -> None:
        self.draining = False
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
        _all.add(self)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Count ``connection``, and ping it from now on."""
        self._open[connection] = time.monotonic() + self._interval
        self._peak = max(self._peak, len(self._open))
        if self._heartbeat is None:
            # Not before: the service may be made in a process that forks, or never serves.
            self._heartbeat = gevent.spawn(self._beat)

    def discard(self, connection: Connection) -> None:
        """Forget ``connection``."""
        self._open.pop(connection, None)
        self._pinged.pop(connection, None)

    def drain(self) -> None:
        """Close every connection with 1012, and refuse new ones from now on. Does not wait."""
        self.draining = True
        if len(self):
            log.info("Telling %d clients that the server restarts", len(self))
        for connection in list(self._open):
            connection.close(CloseCode.SERVICE_RESTART, "The server is restarting")

    def _beat(self) -> None:
        while True:
            gevent.sleep(self._tick)
            self._tidy()
            self._ping(time.monotonic())

    def _ping(self, now: float) -> None:
        # Not in the loop of the beat, whose variables would keep a connection long after its end.
        for connection in _due(self._pinged, now):
            del self._pinged[connection]
            if not connection.heard:
                connection.close(CloseCode.PING_TIMEOUT, "No answer to a ping")
        for connection in _due(self._open, now):
            del self._open[connection]
            self._open[connection] = now + self._interval
            if connection.heard or connection not in self._pinged:
                self._pinged.pop(connection, None)
                connection.heard = False
                connection.ping()
                self._pinged[connection] = now + self._timeout

    def _tidy(self) -> None:
        count = len(self._open)
        if self._peak - count >= _CROWD and count >= self._lately:
            self._peak = count
            memory.give_back()
        self._lately = count


def _due(queue: dict[Connection, float], now: float) -> list[Connection]:
    due = []
    for connection, when in queue.items():
        if when > now:
            break
        due.append(connection)
    return due


def drain_all() -> None:
    """Drain every :class:`Connections` of this process."""
    for connections in list(_all):
        connections.drain()


def open_count() -> int:
    """The connections of this process that are not gone yet."""
    return sum(map(len, _all))
