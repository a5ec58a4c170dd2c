"""How often a figure was how large, in the way Prometheus's histograms count."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts of observations by upper bounds.

    Attributes:
        bounds: the upper bounds, the last of which, infinity, is not among them.
        total: the sum of all observations.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self._counts)

    def quantile(self, share: float) -> float | None:
        """Return what ``share`` of the observations are at most, None without any, as ``histogram_quantile`` does.

        Within a bucket they are taken to lie evenly; those over the last bound are taken for that bound.
        """
        rank = share * self.count
        if not rank:
            return None
        below, lower = 0, 0.0
        for bound, number in zip(self.bounds, self._counts, strict=False):
            if number and below + number >= rank:
                return lower + (bound - lower) * (rank - below) / number
            below, lower = below + number, bound
        return lower

    def buckets(self) -> list[tuple[float, int]]:
        """Return each bound, infinity the last, with the number of observations up to it."""
        return list(zip((*self.bounds, float("inf")), accumulate(self._counts), strict=True))
