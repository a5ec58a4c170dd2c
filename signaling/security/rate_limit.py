"""How often something may happen: a steady rate with a burst before it. Pure.

Each :class:`TokenBucket` follows the generic cell rate algorithm (ITU-T I.371). It keeps one instant, the time at which
the bucket is full again, and needs no timer.
"""

from __future__ import annotations

from collections.abc import KeysView
from typing import NamedTuple


class Rate(NamedTuple):
    """A limit that many buckets share: ``burst`` events at once, then one each ``interval`` seconds."""

    interval: float
    burst: float
    words: str
    """The limit in words for people, such as ``at most 100 messages a second``."""

    @classmethod
    def of(cls, number: float, what: str, burst: float, seconds: float = 1.0) -> Rate:
        """Return the limit of ``number`` of ``what`` each ``seconds``. If ``number`` is 0, there is no limit."""
        unit = {1.0: "second", 60.0: "minute"}[seconds]
        return cls(seconds / number if number else 0.0, max(burst, 1), f"at most {number:g} {what} a {unit}")


class TokenBucket:
    """The remaining allowance of one connection or address under a :class:`Rate`.

    All times are seconds of a monotonic clock.
    """

    __slots__ = ("_full_at", "_interval", "_room", "_tolerance_full_at", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._interval = rate.interval
        # A little more, since sums of intervals are not exact.
        self._room = rate.interval * (rate.burst + 1e-6)
        self._full_at = self._tolerance_full_at = 0.0

    def try_acquire(self, now: float, times: int = 1) -> bool:
        """Count ``times`` events if the limit allows them, and return whether it does."""
        full_at = self._full_at
        # Each message comes by here, and max() takes three times as long.
        full_at = (full_at if full_at > now else now) + self._interval * times  # noqa: FURB136
        if full_at - now > self._room:
            return False
        self._full_at = full_at
        return True

    def exhausted(self, now: float) -> bool:
        """Return whether the limit forbids an event at ``now``. This counts nothing."""
        return max(now, self._full_at) + self.rate.interval - now > self._room

    def tolerate(self, now: float, times: int = 1) -> bool:
        """Count ``times`` refusals if they are within the limit too, and return whether they are.

        A client that goes on after its refusals is over the limit twice.
        """
        full_at = max(self._tolerance_full_at, now) + self._interval * times
        if full_at - now > self._room:
            return False
        self._tolerance_full_at = full_at
        return True

    def idle(self, now: float) -> bool:
        """Return whether the bucket is full, so that a new one would be the same."""
        return self._full_at <= now


class TokenBuckets:
    """A bucket for each key, such as an address, for a bounded number of keys.

    The oldest keys are forgotten first.
    """

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self.rate = rate
        self._max_keys = max_keys
        # In the order of the last event, so the first ones are the first to be full again.
        self._buckets: dict[str, TokenBucket] = {}

    def keys(self) -> KeysView[str]:
        """Return the keys whose bucket is not full, and some that became full since the last event."""
        return self._buckets.keys()

    def try_acquire(self, key: str, now: float) -> bool:
        """Count an event of ``key`` if the limit allows it, and return whether it does."""
        bucket = self._buckets.pop(key, None) or TokenBucket(self.rate)
        self._forget(now)
        self._buckets[key] = bucket
        return bucket.try_acquire(now)

    def exhausted(self, key: str, now: float) -> bool:
        """Return whether the limit forbids an event of ``key``. This counts nothing."""
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.exhausted(now)

    def _forget(self, now: float) -> None:
        buckets = self._buckets
        while buckets and (len(buckets) >= self._max_keys or next(iter(buckets.values())).idle(now)):
            del buckets[next(iter(buckets))]
