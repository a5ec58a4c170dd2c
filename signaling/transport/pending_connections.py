"""The places of a worker for connections that are no WebSockets yet.

The server knows nothing of these clients, so it bounds their number. If all places are taken, the oldest stalled
connection makes room.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import gevent

from .loop_share import LoopShare
from .pending import Pending, Phase

SPARE_PLACES = 500
"""Places of a worker for HTTP and handshakes besides its WebSockets. It has as many spare file descriptors."""

SPARE_PER_ADDRESS = 16
"""HTTP connections of one address besides the WebSockets it may have."""

# Seconds of a phase once the worker stops.
_STOPPING_SECONDS = 1.0


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
        pending = Pending(self.leave, address, seconds, self._max_head_bytes, self._share)
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
