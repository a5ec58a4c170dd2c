"""How often something may happen: a steady rate with a burst before it. Pure.

Each :class:`TokenBucket` follows the generic cell rate algorithm (ITU-T I.371). It keeps one instant, the time at which
the bucket is full again, and needs no timer.
"""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """A limit that many share: one each ``interval`` seconds for long, and ``burst`` at once."""

    interval: float
    burst: float
    words: str
    """The limit in words for people, such as ``at most 100 messages a second``."""

    @classmethod
    def of(cls, number: float, what: str, burst: float, seconds: float = 1.0) -> Rate:
        """Return the limit of ``number`` of ``what`` each ``seconds``; no limit if the number is 0."""
        unit = {1.0: "second", 60.0: "minute"}[seconds]
        return cls(seconds / number if number else 0.0, max(burst, 1), f"at most {number:g} {what} a {unit}")


class TokenBucket:
    """What one connection or address may still do of what a :class:`Rate` limits."""

    __slots__ = ("_full_at", "_interval", "_room", "_tolerance_full_at", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._interval = rate.interval
        # A little more, since sums of intervals are not exact.
        self._room = rate.interval * (rate.burst + 1e-6)
        self._full_at = self._tolerance_full_at = 0.0

    def try_acquire(self, now: float, times: int = 1) -> bool:
        """Tell if it may happen so often more at ``now``, in seconds of a monotonic clock; if so, it counts."""
        full_at = self._full_at
        # Each message comes by here, and max() takes three times as long.
        full_at = (full_at if full_at > now else now) + self._interval * times  # noqa: FURB136
        if full_at - now > self._room:
            return False
        self._full_at = full_at
        return True

    def exhausted(self, now: float) -> bool:
        """Tell if it may not happen at ``now``; nothing is counted."""
        return max(now, self._full_at) + self.rate.interval - now > self._room

    def tolerate(self, now: float, times: int = 1) -> bool:
        """Tell if so many refusals are still to be borne: as many are as may happen; who keeps on is over that."""
        full_at = max(self._tolerance_full_at, now) + self._interval * times
        if full_at - now > self._room:
            return False
        self._tolerance_full_at = full_at
        return True

    def idle(self, now: float) -> bool:
        """Tell if nothing of it is used up, so that a new one would be the same."""
        return self._full_at <= now
