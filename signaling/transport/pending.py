"""The connections of a worker that are no WebSockets yet: their places, their deadlines and their limits.

The server knows nothing of these clients, so it bounds their number, time and bytes. Each phase (TLS handshake, head of
a request, request) has one deadline. If all places are taken, the oldest stalled connection makes room.
"""

from __future__ import annotations

import time
from collections import Counter
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

SPARE_PLACES = 500
"""Places of a worker for HTTP and handshakes besides its WebSockets. It has as many spare file descriptors."""

SPARE_PER_ADDRESS = 16
"""HTTP connections of one address besides the WebSockets it may have."""

MIN_TRANSFER_RATE = 4_096
"""Bytes that extend the deadline of a request by one second."""

# Seconds of a phase once the worker stops.
_STOPPING_SECONDS = 1.0


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
        answering: whether an answer has begun in this phase.
    """

    __slots__ = (
        "_limit",
        "_max_head_bytes",
        "_places",
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
    )

    def __init__(
        self, places: PendingConnections, address: str, limit: float, max_head_bytes: int, share: LoopShare
    ) -> None:
        """Begin with the TLS handshake; each phase may take ``limit`` seconds."""
        self._places = places
        self.left = False
        self.address = address
        self.share = share
        self.requests = 0
        self.handler: ConnectionHandler | None = None
        self.switched = False
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
        timer.start(getcurrent().throw, TimeoutError, f"the {self.phase.value} took too long")
        began = time.monotonic()
        self.waiting = True
        try:
            hub.wait(watcher)
        finally:
            self.waiting = False
            timer.close()
            if self.phase is Phase.REQUEST:
                self._time_left -= time.monotonic() - began

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
            raise TimeoutError(f"the {self.phase.value} took too long")
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
        self._places.leave(self)


class PendingConnections:
    """All places of a worker.

    Attributes:
        stopping: True once the worker stops. New connections have little time then.
    """

    def __init__(
        self,
        *,
        places: int,
        seconds: float,
        max_head_bytes: int,
        per_address: int = 0,
        exempt: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Create free places.

        Args:
            places: the number of places.
            seconds: the time of each phase.
            max_head_bytes: the limit of the head of a request.
            per_address: places of one address, 0 for no limit.
            exempt: returns whether an address is a proxy, which has no such limit.
        """
        self.stopping = False
        self._share = LoopShare.of(gevent.get_hub())
        self._places = places
        self._seconds = seconds
        self._max_head_bytes = max_head_bytes
        self._per_address = per_address
        self._exempt = exempt
        self._open: dict[Pending, None] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        """The number of places taken."""
        return len(self._open)

    def make_room(self) -> bool:
        """Return whether a place is free. If all are taken, end a stalled connection."""
        return len(self._open) < self._places or self.end_stalled()

    def end_stalled(self) -> bool:
        """End the oldest stalled connection of the address that has most, and return whether there was one."""
        now = time.monotonic()
        crowd = self._crowd()
        stalled = [pending for pending in self._open if pending.has_stalled(now, crowd)]
        if not stalled:
            return False
        self._end(max(stalled, key=lambda pending: (self._by_address[pending.address], -pending.since)))
        return True

    def _crowd(self) -> str | None:
        """Return the address that has more than half of all places, None if there is none or it is a proxy."""
        for address, count in self._by_address.most_common(1):
            if address and count > self._places // 2 and not self._exempt(address):
                return address
        return None

    def enter(self, address: str) -> Pending | None:
        """Return a place for a new connection of ``address``, None if the address has too many."""
        limit = self._per_address
        if limit and address and self._by_address[address] >= limit and not self._exempt(address):
            return None
        seconds = min(_STOPPING_SECONDS, self._seconds) if self.stopping else self._seconds
        pending = Pending(self, address, seconds, self._max_head_bytes, self._share)
        self._add(pending)
        return pending

    def _add(self, pending: Pending) -> None:
        self._open[pending] = None
        self._by_address[pending.address] += 1

    def leave(self, pending: Pending) -> None:
        """Free a place. Do nothing if it is free already."""
        pending.left = True
        self._remove(pending)

    def _remove(self, pending: Pending) -> None:
        if pending not in self._open:
            return
        del self._open[pending]
        self._by_address[pending.address] -= 1
        if not self._by_address[pending.address]:
            del self._by_address[pending.address]

    def close_idle(self) -> None:
        """End the connections without a request under way. Does not wait."""
        self.stopping = True
        for pending in list(self._open):
            if pending.waiting and pending.phase is not Phase.REQUEST:
                self._end(pending)

    def _end(self, pending: Pending) -> None:
        self._remove(pending)
        gevent.get_hub().loop.run_callback(self._throw, pending)

    def _throw(self, pending: Pending) -> None:
        if pending.waiting and pending.greenlet is not None:
            # Its read or write raises this.
            pending.greenlet.throw(TimeoutError("its place was needed"))
        elif not pending.left:
            # It has just got what it waited for, and goes on.
            self._add(pending)
