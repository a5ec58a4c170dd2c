"""The turns of an event loop, in three parts: it reads from all who sent, deals with all of that, writes all it led to.

To do the three for one message after the other costs half as much again. What goes to one client in a turn goes in one
write. A client that sends much is dealt with in several turns, so that nobody waits for all of it.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, Protocol

import gevent

log = logging.getLogger(__name__)

MAX_READS_PER_TICK = 64
"""What arrived from so many is dealt with and answered before more is read: it is in memory, and they wait."""


class Member(Protocol):
    """Who has a part in the turns."""

    def abort(self, why: str) -> None:
        """Break off, since this server failed to deal with it. Does not wait."""


class Reader(Member, Protocol):
    """Whose bytes arrive."""

    def data_received(self, data: bytes) -> None:
        """Deal with ``data``, and with what it put off before. Does not wait."""


class Writer(Member, Protocol):
    """Who has bytes to send."""

    def flush(self) -> None:
        """Send them. Does not wait."""


class LoopTick:
    """What is put off in a turn of one event loop.

    An exception of one member ends that member, and nobody else.
    """

    __slots__ = ("_arrivals", "_loop", "_next", "_postponed", "_scheduled", "_writers")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        # It expires when the loop has looked at all sockets once more; a callback would run before that.
        self._next: Any = loop.timer(0.0)
        self._postponed: list[Reader] = []
        self._scheduled = False
        self._arrivals: list[tuple[Reader, bytes]] = []
        self._writers: list[Writer] = []

    @staticmethod
    def of(hub: gevent.hub.Hub) -> LoopTick:
        """Return the one of the loop of ``hub``."""
        turn = _turns.get(hub)
        if turn is None:
            turn = _turns[hub] = LoopTick(hub.loop)
        return turn

    def queue_read(self, reader: Reader, data: bytes) -> None:
        """Have ``reader`` take ``data`` when all was read."""
        if not self._scheduled:
            self._schedule()
        self._arrivals.append((reader, data))
        if len(self._arrivals) >= MAX_READS_PER_TICK:
            self._finish()

    def postpone(self, reader: Reader) -> None:
        """Have ``reader`` take what it put off, in the next turn, beside what others sent meanwhile."""
        if not self._postponed:
            self._next.start(self._take_postponed)
        self._postponed.append(reader)

    def _take_postponed(self) -> None:
        postponed, self._postponed = self._postponed, []
        for reader in postponed:
            self.queue_read(reader, b"")

    def queue_flush(self, writer: Writer) -> None:
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
        try:
            for reader, data in arrivals:
                try:
                    reader.data_received(data)
                except (Exception, gevent.Timeout) as error:
                    abort(reader, error)
        finally:
            self._scheduled = False
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except (Exception, gevent.Timeout) as error:
                abort(writer, error)


def abort(member: Member, error: BaseException) -> None:
    """Break off with ``member`` and log ``error``, which this server failed with. Does not raise."""
    try:
        member.abort(f"internal error: {type(error).__name__}")
        log.error("An error of this server ends one connection", exc_info=error)
    except Exception:
        log.exception("An error of this server: a connection could not be ended")


_turns: weakref.WeakKeyDictionary[gevent.hub.Hub, LoopTick] = weakref.WeakKeyDictionary()
