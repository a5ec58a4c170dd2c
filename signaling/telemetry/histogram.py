"""Counts of observations by upper bounds, as Prometheus's histograms have them. Pure."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import msgspec


class Histogram(msgspec.Struct, gc=False):
    """Counts of observations by upper bounds.

    Raises:
        ValueError: the number of counts does not fit the bounds.
    """

    bounds: tuple[float, ...]
    """The upper bounds, in ascending order, without infinity."""
    counts: list[int] = []
    """The observations of each bucket. A bucket reaches from the bound before to its own; the last one has no bound."""
    total: float = 0.0
    """The sum of all observations."""

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(f"{len(self.counts)} counts do not fit {len(self.bounds)} bounds")

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """The number of observations."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return the value that ``share`` of the observations do not exceed, or None without observations.

        As with ``histogram_quantile`` of Prometheus, the observations of a bucket lie evenly within it. Observations
        above the last bound count as that bound.
        """
        rank = share * self.count
        if not rank:
            return None
        below, lower = 0, 0.0
        for bound, number in zip(self.bounds, self.counts, strict=False):
            if number and below + number >= rank:
                return lower + (bound - lower) * (rank - below) / number
            below, lower = below + number, bound
        return lower

    def buckets(self) -> list[tuple[float, int]]:
        """Return each bound with the number of observations up to it; the last bound is infinity."""
        return list(zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True))

    def __add__(self, other: Histogram) -> Histogram:
        """Return the observations of both. If ``other`` has other bounds, as another version may, leave it out."""
        if self.bounds != other.bounds:
            return self
        counts = [one + another for one, another in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total + other.total)
