"""How many connections each address has, and how often a new one comes."""

from __future__ import annotations

from collections import Counter

from ..config.settings import Settings
from .client_ip import rate_limit_key
from .rate_limit import Rate, TokenBucket

_MAX_ADDRESSES = 100_000
"""Addresses whose rate is known at the most; those that came first are forgotten first."""


class ConnectionLimiter:
    """The connections of each address: how many there are, and how often a new one comes."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.connections_per_ip
        self._rate = Rate.of(settings.connection_rate, "new connections", settings.connection_burst)
        self._open: Counter[str] = Counter()
        self._new: dict[str, TokenBucket] = {}

    def __len__(self) -> int:
        """The number of addresses of which something is known."""
        return len(self._open.keys() | self._new.keys())

    def check(self, address: str, now: float, *, count: bool = True) -> str | None:
        """Return why ``address`` may have no further connection at ``now``, seconds of a monotonic clock, or None.

        With ``count`` this is an attempt, and uses up a part of the rate. A client on a Unix socket whose address
        nobody tells is never refused.
        """
        if not address:
            return None
        key = rate_limit_key(address)
        if self._most and self._open[key] >= self._most:
            return f"Too many connections from one address: at most {self._most}."
        if self._rate.interval and not count:
            known = self._new.get(key)
            if known is not None and known.exhausted(now):
                return f"Too many new connections from one address: {self._rate.words}."
        elif self._rate.interval:
            bucket = self._new.pop(key, None) or TokenBucket(self._rate)
            self._forget(now)
            self._new[key] = bucket
            if not bucket.try_acquire(now):
                return f"Too many new connections from one address: {self._rate.words}."
        return None

    def _forget(self, now: float) -> None:
        # In the order of the last attempt, so that the first ones are the first to be full again.
        while self._new:
            first = next(iter(self._new))
            if len(self._new) < _MAX_ADDRESSES and not self._new[first].idle(now):
                break
            del self._new[first]

    def add(self, address: str) -> None:
        """Count a connection of ``address``."""
        if self._most and address:
            self._open[rate_limit_key(address)] += 1

    def discard(self, address: str) -> None:
        """Count one less."""
        if self._most and address:
            key = rate_limit_key(address)
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
