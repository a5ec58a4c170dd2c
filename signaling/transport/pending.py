"""A connection that is no WebSocket yet: its deadlines and its limits.

The server knows nothing of its client, so it bounds time and bytes. Each phase (TLS handshake, head of a request,
request) has one deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import gevent
import gevent.socket
from greenlet import getcurrent, greenlet

from .loop_share import LoopShare

ConnectionHandler = Callable[[Any, bytes], Any]
"""Handles a WebSocket. It gets the socket, and the bytes that the client sent right behind its handshake.

It returns the connection, whose ``join`` waits for the end.
"""

STALL_SECONDS = 1.0
"""Seconds of a phase after which a connection has stalled, if it waits for its client.

The time in which it waited for the event loop does not count. Else a busy server would end clients that are not late.
"""

CROWD_STALL_SECONDS = 0.1
"""The same for the connections of an address that has more than half of all places."""

MIN_TRANSFER_RATE = 4_096
"""Bytes that extend the deadline of a request by one second."""


class HeadTooLongError(ValueError):
    """The head of a request is over the limit."""


class Phase(Enum):
    """The steps of a connection before it is a WebSocket."""

    HANDSHAKE = "TLS handshake"
    HEAD = "head of a request"
    REQUEST = "request"


class Pending:
    """The place of one connection that is no WebSocket yet.

    Attributes:
        address: the key that its address is limited by, empty on a Unix socket.
        phase: the current phase.
        since: when the phase began, in seconds of the monotonic clock.
        waiting: whether it waits for its client at the moment.
        queued: seconds of this phase in which it waited for the event loop, and not for its client.
        head_bytes: bytes read in this phase; it counts only in the phase of the head.
        share: its share of the event loop.
        greenlet: the greenlet that serves it.
        handler: handles the WebSocket once its handshake is answered.
        switched: whether that answer was sent.
        requests: the number of requests begun.
        left: whether the place is free again.
        without_app: whether no code of an app has run in its greenlet.
        answering: whether an answer has begun in this phase.
    """

    __slots__ = (
        "_leave",
        "_limit",
        "_max_head_bytes",
        "_time_left",
        "address",
        "answering",
        "greenlet",
        "handler",
        "head_bytes",
        "left",
        "phase",
        "queued",
        "requests",
        "share",
        "since",
        "switched",
        "waiting",
        "without_app",
    )

    def __init__(
        self, leave: Callable[[Pending], None], address: str, limit: float, max_head_bytes: int, share: LoopShare
    ) -> None:
        """Begin with the TLS handshake; each phase may take ``limit`` seconds."""
        self._leave = leave
        self.left = False
        self.address = address
        self.share = share
        self.requests = 0
        self.handler: ConnectionHandler | None = None
        self.switched = False
        self.without_app = False
        self.greenlet: greenlet | None = None
        self.waiting = False
        self._limit = limit
        self._max_head_bytes = max_head_bytes
        self.begin(Phase.HANDSHAKE)

    def begin(self, phase: Phase) -> None:
        """Begin a phase with its full time."""
        self.phase = phase
        self.requests += phase is Phase.HEAD
        self.since = time.monotonic()
        self.queued = 0.0
        self.head_bytes = 0
        self.answering = False
        # In a request only the waits for the client count: the app may take its time to answer.
        self._time_left = self._limit

    def wait(self, watcher: Any) -> None:
        """Wait until the client has sent something, or can take more, as ``watcher`` says.

        Raises:
            TimeoutError: the deadline is over.
            HeadTooLongError: the head is at its limit and continues.
        """
        hub = gevent.get_hub()
        # gevent's Timeout does the same in five times the steps. The one of its sockets would restart with each byte.
        timer = hub.loop.timer(self.time_left())
        timer.start(self._time_out, getcurrent())
        began = time.monotonic()
        self.waiting = True
        try:
            hub.wait(watcher)
        finally:
            self.waiting = False
            timer.close()
            if self.phase is Phase.REQUEST:
                self._time_left -= time.monotonic() - began

    def _time_out(self, waiting: greenlet) -> None:
        waiting.throw(self._late())

    def _late(self) -> TimeoutError:
        return TimeoutError(f"the {self.phase.value} took too long")

    def has_stalled(self, now: float, crowd: str | None) -> bool:
        """Return whether it waits for its client for too long, which is less long if its address is the ``crowd``."""
        limit = CROWD_STALL_SECONDS if self.address == crowd else STALL_SECONDS
        return self.waiting and now - self.since - self.queued >= limit

    def acquire_share(self) -> None:
        """Wait until this connection may do one step of its work; others have their turn before."""
        began = time.monotonic()
        self.share.acquire(served=self.requests > 1)
        self.queued += time.monotonic() - began

    def check_head(self, size: int) -> None:
        """Check that a head of ``size`` bytes is within the limit.

        Raises:
            HeadTooLongError: it is not.
        """
        if size > self._max_head_bytes:
            raise HeadTooLongError(f"over {self._max_head_bytes} bytes")

    def time_left(self) -> float:
        """Return the seconds that this connection may still wait for its client.

        Raises:
            TimeoutError: the deadline is over.
            HeadTooLongError: the head is at its limit and continues.
        """
        time_left = self._time_left
        if self.phase is not Phase.REQUEST:
            self.check_head(self.head_bytes + 1)
            time_left -= time.monotonic() - self.since
        if time_left <= 0:
            raise self._late()
        return time_left

    def add_bytes(self, count: int) -> None:
        """Count bytes that were read or written."""
        if self.phase is Phase.REQUEST:
            self._time_left = min(self._limit, self._time_left + count / MIN_TRANSFER_RATE)
        else:
            self.head_bytes += count

    def switch(self) -> None:
        """Free the place, since the connection is a WebSocket now."""
        self.switched = True
        self._leave(self)
