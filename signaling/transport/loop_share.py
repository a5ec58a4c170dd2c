"""The share of each tick of the event loop for newcomers: all steps up to the join, and the end of a connection.

gevent switches greenlets only where a read or a write would block. A client that always has bytes ready would keep the
loop for itself, and so would a crowd of new clients. So each newcomer first acquires a part of the share. The messages
of calls that the tick has read are processed before. They wait for one share at most.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

import gevent
from greenlet import getcurrent, greenlet

SHARE_SECONDS = 0.003
"""Seconds of each tick. New clients delay the messages of calls by this and one step of one client, at most."""


class LoopShare:
    """Lets greenlets work until the share of the tick is used. The others continue in the next ticks."""

    __slots__ = ("_active", "_began", "_check", "_idle", "_loop", "_new", "_scheduled", "_served", "_steps")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        # The check watcher runs after the loop has polled its sockets. The idle watcher keeps the poll from waiting.
        self._check = self._loop.check()
        self._idle = self._loop.idle()
        self._active = False
        self._began = 0.0
        # The waiting greenlets of new connections, and of connections that were served before.
        self._new: deque[greenlet] = deque()
        self._served: deque[greenlet] = deque()
        self._scheduled = False
        self._steps = 0

    @staticmethod
    def of(hub: gevent.hub.Hub) -> LoopShare:
        """Return the share of the event loop of ``hub``."""
        share = _shares.get(hub)
        if share is None:
            share = _shares[hub] = LoopShare(hub.loop)
        return share

    def acquire(self, served: bool = False) -> None:
        """Wait until this greenlet may do one step of its work, in this tick or a later one.

        Args:
            served: whether its connection was served before. Such connections and new ones alternate, so that a client
                with one request need not wait behind all clients with many.
        """
        if not self._active:
            self._active = True
            self._began = time.monotonic()
            self._check.start(self._next_tick)
        elif self._new or self._served or time.monotonic() - self._began > SHARE_SECONDS:
            self._wait(self._served if served else self._new)

    def _wait(self, queue: deque[greenlet]) -> None:
        current = getcurrent()
        if not self._new and not self._served:
            self._idle.start(_do_nothing)
        queue.append(current)
        try:
            gevent.get_hub().switch()
        except BaseException:
            with suppress(ValueError):
                queue.remove(current)
            raise

    def _next_tick(self) -> None:
        if self._new or self._served:
            if not self._scheduled:
                self._scheduled = True
                # A callback of a callback: the loop reads from all sockets in between, and then processes what it read.
                self._loop.run_callback(self._loop.run_callback, self._resume)
        else:
            self._active = False
            self._check.stop()
            self._idle.stop()

    def _resume(self) -> None:
        # The share begins here. It is at least one step. A greenlet with more to do goes to the end of its queue.
        self._scheduled = False
        self._began = time.monotonic()
        while self._new or self._served:
            self._steps += 1
            queues = (self._new, self._served) if self._steps % 2 else (self._served, self._new)
            (queues[0] or queues[1]).popleft().switch()
            if time.monotonic() - self._began > SHARE_SECONDS:
                break


def _do_nothing() -> None:
    pass


_shares: weakref.WeakKeyDictionary[gevent.hub.Hub, LoopShare] = weakref.WeakKeyDictionary()
