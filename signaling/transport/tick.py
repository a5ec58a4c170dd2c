"""One tick of the event loop in three steps: read from all sockets, process all data, write all output.

To do the three for each message in turn would cost half as much again. All that one client gets in a tick is one
write. A client that sends much is processed over several ticks, so that others need not wait for all of it.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any, Protocol

import gevent

log = logging.getLogger(__name__)

MAX_READS_PER_TICK = 64
"""Reads that are processed and answered before more is read. It bounds the memory and the delay."""


class Member(Protocol):
    """A reader or writer that takes part in the ticks."""

    def abort(self, reason: str) -> None:
        """End after an error of this server. Does not wait."""


class Reader(Member, Protocol):
    """A member that receives bytes."""

    def data_received(self, data: bytes) -> None:
        """Process what was postponed, and then ``data``. Does not wait."""


class Writer(Member, Protocol):
    """A member that has bytes to send."""

    def flush(self) -> None:
        """Send the bytes. Does not wait."""


class LoopTick:
    """The queues of one event loop.

    An exception of one member ends that member and no other.
    """

    __slots__ = ("_arrivals", "_loop", "_next", "_postponed", "_scheduled", "_writers")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        # It expires after the loop has checked all sockets once more. A callback would run before that.
        self._next: Any = loop.timer(0.0)
        self._postponed: list[Reader] = []
        self._scheduled = False
        self._arrivals: list[tuple[Reader, bytes]] = []
        self._writers: list[Writer] = []

    @staticmethod
    def of(hub: gevent.hub.Hub) -> LoopTick:
        """Return the queues of the event loop of ``hub``."""
        tick = _ticks.get(hub)
        if tick is None:
            tick = _ticks[hub] = LoopTick(hub.loop)
        return tick

    def queue_read(self, reader: Reader, data: bytes) -> None:
        """Let ``reader`` process ``data`` after all sockets were read."""
        if not self._scheduled:
            self._schedule()
        self._arrivals.append((reader, data))
        if len(self._arrivals) >= MAX_READS_PER_TICK:
            self._finish()

    def postpone(self, reader: Reader) -> None:
        """Let ``reader`` process in the next tick what it postponed, besides what others sent meanwhile."""
        if not self._postponed:
            self._next.start(self._queue_postponed)
        self._postponed.append(reader)

    def _queue_postponed(self) -> None:
        postponed, self._postponed = self._postponed, []
        for reader in postponed:
            self.queue_read(reader, b"")

    def queue_flush(self, writer: Writer) -> None:
        """Let ``writer`` flush after all data was processed."""
        if not self._scheduled:
            self._schedule()
        self._writers.append(writer)

    def _schedule(self) -> None:
        # A callback runs before the loop waits again.
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
    """End ``member`` and log ``error``, which is an error of this server. Does not raise."""
    try:
        member.abort(f"internal error: {type(error).__name__}")
        log.error("An internal error ends one connection", exc_info=error)
    except Exception:
        log.exception("An internal error: a connection could not be ended")


_ticks: weakref.WeakKeyDictionary[gevent.hub.Hub, LoopTick] = weakref.WeakKeyDictionary()
