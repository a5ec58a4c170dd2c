"""The turns of an event loop, in three parts: first it reads from all who sent, then deals with it all, then writes it all.

To read, deal with and write one message after the other costs a third more: each part runs on what the last one left in
the caches, and each write may wake who waits for it. And what goes to one client in a turn goes in one write.
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

    __slots__ = ("__weakref__", "_arrivals", "_loop", "_writers")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
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
        arrivals = self._arrivals
        if not arrivals:
            self._loop.run_callback(self._take)
        arrivals.append((reader, data))
        if len(arrivals) >= MOST_ARRIVALS:
            self._take()
            self._flush()

    def produced(self, writer: Writer) -> None:
        """Have ``writer`` flush when all was dealt with."""
        writers = self._writers
        if not writers:
            self._loop.run_callback(self._flush)
        writers.append(writer)

    def _take(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        for reader, data in arrivals:
            try:
                reader.take(data)
            except Exception:
                log.exception("A fault of this server; the others are not to suffer from it")

    def _flush(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except Exception:
                log.exception("A fault of this server; the others are not to suffer from it")


_turns: weakref.WeakKeyDictionary[gevent.hub.Hub, Turn] = weakref.WeakKeyDictionary()
