"""The work of connections that may have to wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

from .greenlet_pool import GreenletPool
from .loop_share import LoopShare

MAX_IDLE = 8
"""Greenlets of a queue that stay to wait for more work. Others end when the queue is empty."""


class WorkQueue:
    """Runs functions in the order of their arrival. One that waits holds up no other."""

    __slots__ = ("_greenlets", "_isolated", "_queue", "_scheduled")

    def __init__(self, *, isolated: bool = False) -> None:
        """Make an empty queue.

        Args:
            isolated: each function gets a greenlet of its own. Code of an app may leave a timeout or a context
                variable behind, which must not reach another connection.
        """
        self._isolated = isolated
        self._greenlets = GreenletPool(MAX_IDLE)
        self._queue: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def put(self, run: Callable[[], None], loop: Any) -> None:
        """Let a greenlet of ``loop`` call ``run`` soon. Does not wait."""
        self._queue.append(run)
        self._schedule(loop)

    def _schedule(self, loop: Any) -> None:
        # An app may end a connection from another thread, where the loop of the current hub does not run.
        if not self._scheduled:
            self._scheduled = True
            loop.run_callback(self._dispatch)

    def _dispatch(self) -> None:
        """Let a greenlet take what is in the queue, in the event loop."""
        self._scheduled = False
        if self._queue:
            self._greenlets.run(self._serve)

    def _serve(self) -> bool:
        """Do the work, and return whether the greenlet may do more."""
        while self._queue:
            # A crowd of clients that join or leave must not delay the messages of calls.
            LoopShare.of(gevent.get_hub()).acquire(served=True)
            if not self._queue:
                # Another greenlet took it meanwhile.
                break
            run = self._queue.popleft()
            if self._queue:
                # Another greenlet continues if this one waits.
                self._schedule(gevent.get_hub().loop)
            run()
            # The function keeps its connection alive.
            del run
            if self._isolated:
                return False
        return True


WORK = WorkQueue()
"""The work that runs no code of an app."""

APP_WORK = WorkQueue(isolated=True)
"""The work that may run code of an app."""
