"""The connections of a worker that are no WebSockets yet: their places, their deadlines, what they may send.

Nothing is known of such a client. So its number, its time and its bytes are bounded, whatever it does: each phase (TLS
handshake, head of a request, request) has one deadline, and when all places are taken, whoever keeps one longest
without need makes room.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import Enum

import gevent
import gevent.socket
from greenlet import greenlet

from .loop_share import LoopShare

ConnectionHandler = Callable[["gevent.socket.socket", bytes], None]
"""What is held over a WebSocket: with its socket, and what the client sent right behind its handshake."""

STALL_SECONDS = 1.0
"""Seconds after which a phase may be ended to make room for somebody else, while it waits for its client."""

CROWD_STALL_SECONDS = 0.1
"""The same for the connections of one address that has more than half of all places."""

SPARE_PLACES = 500
"""Places a worker has for HTTP and for handshakes beside its WebSockets, and file descriptors likewise."""

SPARE_PER_ADDRESS = 16
"""Connections that one address may have for HTTP, beside the WebSockets that it may have."""

MIN_TRANSFER_RATE = 4_096
"""Bytes a second that a body or an answer must move at, beyond the time that each request has anyhow."""


# What a phase may take once the worker stops.
_STOPPING_SECONDS = 1.0


class HeadTooLongError(ValueError):
    """The head of a request is longer than it may be."""


class Phase(Enum):
    """What a connection does before it is a WebSocket."""

    HANDSHAKE = "TLS handshake"
    HEAD = "head of a request"
    REQUEST = "request"


class Pending:
    """One connection that is no WebSocket yet.

    Attributes:
        address: what it counts as, empty on a Unix socket.
        phase: what it does.
        since: when the phase began, in seconds of the monotonic clock.
        waiting: whether it waits for its client at the moment.
        head_bytes: how many bytes were read in the phase; it counts in that of the head.
        share: the share of the event loop that it works in.
        handler: what is to be held once the handshake of a WebSocket is answered.
        switched: whether that answer was sent.
        requests: how many it began to send.
        gone: whether its place was given back.
        answering: whether an answer was begun in this phase.
    """

    __slots__ = (
        *(
            "_left",
            "_limit",
            "_max_head_bytes",
            "_places",
            "address",
            "answering",
            "gone",
            "handler",
            "greenlet",
            "head_bytes",
            "requests",
        ),
        *("phase", "share", "since", "switched", "waiting"),
    )

    def __init__(
        self, places: PendingConnections, address: str, limit: float, max_head_bytes: int, share: LoopShare
    ) -> None:
        """Begin with the handshake; each phase may take ``limit`` seconds."""
        self._places = places
        self.gone = False
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
        """Begin a phase, which has all its time before it."""
        self.phase = phase
        self.requests += phase is Phase.HEAD
        self.since = time.monotonic()
        self.head_bytes = 0
        self.answering = False
        # Of a request only what is spent in waiting for the client counts: an answer may take its time.
        self._left = self._limit

    def take_turn(self) -> None:
        """Return when it may do one step of its work; then others had their turn."""
        self.share.acquire(later=self.requests > 1)

    def check_head(self, size: int) -> None:
        """Check that a head of so many bytes is not too long.

        Raises:
            HeadTooLongError: it is.
        """
        if size > self._max_head_bytes:
            raise HeadTooLongError(f"over {self._max_head_bytes} bytes")

    def time_left(self) -> float:
        """Return for how many seconds it may still wait for its client.

        Raises:
            TimeoutError: for none.
            HeadTooLongError: what was read of a head is too long already, and it goes on.
        """
        left = self._left
        if self.phase is not Phase.REQUEST:
            self.check_head(self.head_bytes + 1)
            left -= time.monotonic() - self.since
        if left <= 0:
            raise TimeoutError(f"the {self.phase.value} took too long")
        return left

    def waited(self, seconds: float) -> None:
        """Count seconds of waiting for the client."""
        if self.phase is Phase.REQUEST:
            self._left -= seconds

    def moved(self, count: int) -> None:
        """Count bytes that came or went."""
        if self.phase is Phase.REQUEST:
            self._left = min(self._limit, self._left + count / MIN_TRANSFER_RATE)
        else:
            self.head_bytes += count

    def switch(self) -> None:
        """Note that the answer which makes it a WebSocket was sent: it needs no place any more."""
        self.switched = True
        self._places.leave(self)


class PendingConnections:
    """All of a worker's.

    Attributes:
        stopping: set True when the worker stops; who then sends no request is not waited for.
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
        """Begin with none.

        Args:
            places: how many there may be at a time.
            seconds: how long each phase may take.
            max_head_bytes: how long the head of a request may be.
            per_address: how many of one address, 0 for no limit.
            exempt: tells of an address if that limit is not for it, since it is a proxy's.
        """
        self.stopping = False
        self._share = LoopShare()
        self._places = places
        self._seconds = seconds
        self._max_head_bytes = max_head_bytes
        self._per_address = per_address
        self._exempt = exempt
        self._open: dict[Pending, None] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._open)

    def make_room(self) -> bool:
        """Tell if there is a place; where all are taken, end a connection that has kept one for too long."""
        return len(self._open) < self._places or self.end_stalled()

    def end_stalled(self) -> bool:
        """End the connection that has kept its place for longest without need; tell if there is one."""
        now = time.monotonic()
        crowd = self._crowd()
        stalled = [
            pending
            for pending in self._open
            if pending.waiting
            and now - pending.since >= (CROWD_STALL_SECONDS if pending.address == crowd else STALL_SECONDS)
        ]
        if not stalled:
            return False
        # Of whoever has most of them, the oldest.
        self._end(max(stalled, key=lambda pending: (self._by_address[pending.address], -pending.since)))
        return True

    def _crowd(self) -> str | None:
        """Return the address that has more than half of all places, None if there is none or it is a proxy's."""
        for address, count in self._by_address.most_common(1):
            if address and count > self._places // 2 and not self._exempt(address):
                return address
        return None

    def enter(self, address: str) -> Pending | None:
        """Return the place of a new connection of ``address``, None if that has too many."""
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
        """Give a place back; harmless when that was done before."""
        pending.gone = True
        self._remove(pending)

    def _remove(self, pending: Pending) -> None:
        if pending not in self._open:
            return
        del self._open[pending]
        self._by_address[pending.address] -= 1
        if not self._by_address[pending.address]:
            del self._by_address[pending.address]

    def close_idle(self) -> None:
        """End the connections that have no request under way. Does not wait."""
        self.stopping = True
        for pending in list(self._open):
            if pending.waiting and pending.phase is not Phase.REQUEST:
                self._end(pending)

    def _end(self, pending: Pending) -> None:
        self._remove(pending)
        gevent.get_hub().loop.run_callback(self._throw, pending)

    def _throw(self, pending: Pending) -> None:
        if pending.waiting and pending.greenlet is not None:
            # The read or write that it waits in raises this.
            pending.greenlet.throw(TimeoutError("its place was needed"))
        elif not pending.gone:
            # It got what it waited for at this very moment, and goes on.
            self._add(pending)
