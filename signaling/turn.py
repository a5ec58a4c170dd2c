"""The turns of an event loop, in three parts: it reads from all who sent, deals with all of that, writes all it led to.

To do the three for one message after the other costs half as much again. What goes to one client in a turn goes in one
write.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, Protocol

import gevent

log = logging.getLogger(__name__)

MOST_ARRIVALS = 64
"""What arrived from so many is dealt with and answered before more is read: it is in memory, and they wait."""


class Reader(Protocol):
    """Whose bytes arrive."""

    def take(self, data: bytes) -> None:
        """Deal with ``data``. Does not wait."""


class Writer(Protocol):
    """Who has bytes to send."""

    def flush(self) -> None:
        """Send them. Does not wait."""


class Turn:
    """What is put off in a turn of one event loop."""

    __slots__ = ("_arrivals", "_loop", "_scheduled", "_writers")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._scheduled = False
        self._arrivals: list[tuple[Reader, bytes]] = []
        self._writers: list[Writer] = []

    @staticmethod
    def of(hub: gevent.hub.Hub) -> Turn:
        """Return the one of the loop of ``hub``."""
        turn = _turns.get(hub)
        if turn is None:
            turn = _turns[hub] = Turn(hub.loop)
        return turn

    def arrived(self, reader: Reader, data: bytes) -> None:
        """Have ``reader`` take ``data`` when all was read."""
        if not self._scheduled:
            self._schedule()
        self._arrivals.append((reader, data))
        if len(self._arrivals) >= MOST_ARRIVALS:
            self._finish()

    def produced(self, writer: Writer) -> None:
        """Have ``writer`` flush when all was dealt with."""
        if not self._scheduled:
            self._schedule()
        self._writers.append(writer)

    def _schedule(self) -> None:
        # What is called so is called before the loop waits again.
        self._scheduled = True
        self._loop.run_callback(self._finish)

    def _finish(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        for reader, data in arrivals:
            try:
                reader.take(data)
            except Exception:
                log.exception("A fault of this server, which the other connections are not to suffer from")
        self._scheduled = False
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except Exception:
                log.exception("A fault of this server, which the other connections are not to suffer from")


_turns: weakref.WeakKeyDictionary[gevent.hub.Hub, Turn] = weakref.WeakKeyDictionary()
