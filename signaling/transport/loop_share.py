"""The share of each turn of the event loop that connections get before they are WebSockets.

gevent switches only where a read or a write would block. A client that always has bytes ready would keep the loop for
itself, and a crowd of newcomers would keep it for a long time. Here each of them asks for its part of the turn first.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress

import gevent
from greenlet import getcurrent, greenlet

SHARE_SECONDS = 0.005
"""Seconds of one turn. Messages of calls wait no longer than this, and one step of one newcomer, for newcomers."""


class LoopShare:
    """The turns of one event loop, in which greenlets work until the share is used, the others in the next turns."""

    __slots__ = ("_began", "_check", "_first", "_idle", "_later", "_loop", "_open", "_turns")

    def __init__(self) -> None:
        """Share the event loop of this thread."""
        self._loop = gevent.get_hub().loop
        # Called once the loop has looked for news; the idle watcher keeps it from waiting for any.
        self._check = self._loop.check()
        self._idle = self._loop.idle()
        self._open = False
        self._began = 0.0
        self._first: deque[greenlet] = deque()
        self._later: deque[greenlet] = deque()
        self._turns = 0

    def acquire(self, later: bool = False) -> None:
        """Return when this greenlet may do one step of its work, in this turn or a later one.

        Args:
            later: whether its connection was served before. Those and the others take turns, so that whoever has one
                question need not wait behind all who have many.
        """
        if not self._open:
            self._open = True
            self._began = time.monotonic()
            self._check.start(self._next_turn)
        elif self._first or self._later or time.monotonic() - self._began > SHARE_SECONDS:
            self._wait(self._later if later else self._first)

    def _wait(self, waiting: deque[greenlet]) -> None:
        current = getcurrent()
        if not self._first and not self._later:
            self._idle.start(_nothing)
        waiting.append(current)
        try:
            gevent.get_hub().switch()
        except BaseException:
            with suppress(ValueError):
                waiting.remove(current)
            raise

    def _next_turn(self) -> None:
        if self._first or self._later:
            self._loop.run_callback(self._resume)
        else:
            self._open = False
            self._check.stop()
            self._idle.stop()

    def _resume(self) -> None:
        # The share begins here, after the reads of all others, and is one step at least. Whoever has more to do
        # afterwards goes to the end of the queue.
        self._began = time.monotonic()
        while self._first or self._later:
            self._turns += 1
            queues = (self._first, self._later) if self._turns % 2 else (self._later, self._first)
            (queues[0] or queues[1]).popleft().switch()
            if time.monotonic() - self._began > SHARE_SECONDS:
                break


def _nothing() -> None:
    pass
