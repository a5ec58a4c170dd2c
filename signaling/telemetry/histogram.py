"""How often a figure was how large, in the way Prometheus's histograms count."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import msgspec


class Histogram(msgspec.Struct, gc=False):
    """Counts of observations by upper bounds."""

    bounds: tuple[float, ...]
    """The upper bounds, the last of which, infinity, is not among them."""
    counts: list[int] = []
    """For each bound, infinity the last, the observations that are over the one before it."""
    total: float = 0.0
    """The sum of all observations."""

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return what ``share`` of the observations are at most, None without any, as ``histogram_quantile`` does.

        Within a bucket they are taken to lie evenly; those over the last bound are taken for that bound.
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
        """Return each bound, infinity the last, with the number of observations up to it."""
        return list(zip((*self.bounds, float("inf")), accumulate(self.counts), strict=True))

    def __add__(self, other: Histogram) -> Histogram:
        """Return one of what both observed; what has other bounds, as another version may, is left out."""
        if self.bounds != other.bounds:
            return self
        counts = [one + another for one, another in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total + other.total)
