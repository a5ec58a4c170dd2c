"""How many connections each address has, and how often it opens a new one."""

from __future__ import annotations

from collections import Counter

from ..config.settings import Settings
from .client_ip import rate_limit_key
from .rate_limit import Rate, TokenBuckets

_MAX_ADDRESSES = 100_000
"""The number of addresses whose rate is remembered."""


class ConnectionLimiter:
    """The limits of each address: its open connections, and the rate of new ones."""

    def __init__(self, settings: Settings) -> None:
        self._max_open = settings.connections_per_ip
        self._open: Counter[str] = Counter()
        rate = Rate.of(settings.connection_rate, "new connections", settings.connection_burst)
        self._attempts = TokenBuckets(rate, _MAX_ADDRESSES)

    def __len__(self) -> int:
        """The number of addresses of which something is known."""
        return len(self._open.keys() | self._attempts.keys())

    def check(self, address: str, now: float, *, count: bool = True) -> str | None:
        """Return why ``address`` may open no further connection, or None if it may.

        A client on a Unix socket without a trusted proxy has no address, and no limit.

        Args:
            address: the client's address.
            now: seconds of a monotonic clock.
            count: whether this is an attempt, which uses up a part of the rate.
        """
        if reason := self.check_open(address):
            return reason
        rate = self._attempts.rate
        if not address or not rate.interval:
            return None
        key = rate_limit_key(address)
        refused = not self._attempts.try_acquire(key, now) if count else self._attempts.exhausted(key, now)
        return f"Too many new connections from one address: {rate.words}." if refused else None

    def check_open(self, address: str) -> str | None:
        """Return that ``address`` has as many open connections as it may have, or None if it has not."""
        if address and self._max_open and self._open[rate_limit_key(address)] >= self._max_open:
            return f"Too many connections from one address: at most {self._max_open}."
        return None

    def add(self, address: str) -> None:
        """Count one more connection of ``address``."""
        if self._max_open and address:
            self._open[rate_limit_key(address)] += 1

    def discard(self, address: str) -> None:
        """Count one connection of ``address`` less."""
        if self._max_open and address:
            key = rate_limit_key(address)
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
