"""The last minutes of a node in samples, for the charts of the operator's page."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Sized
from operator import attrgetter
from typing import Any, NamedTuple

import gevent

from ..process.supervisor import spawn_forever
from ..rooms.registry import Registry
from ..telemetry.stats import Stats

INTERVAL = 5.0
"""Seconds between two samples."""

MAX_SAMPLES = 181
"""Samples that are kept: those of fifteen minutes."""


class Sample(NamedTuple):
    """A node at one moment. It is a list in JSON, since there are many."""

    at: float
    """Seconds since 1970."""
    connections: int
    """Open connections."""
    rooms: int
    """Rooms with a user."""
    forwarded: int
    """Messages forwarded since the start."""
    lag: float
    """The average delay of the event loop since the sample before, in seconds."""


_MERGERS: dict[str, Callable[[Iterable[Any]], Any]] = {"connections": sum, "rooms": sum, "forwarded": sum, "lag": max}
"""The functions that combine samples of several nodes. Delays do not add up."""


class History:
    """The latest samples, the oldest first."""

    def __init__(self, connections: Sized, registry: Registry, stats: Stats) -> None:
        """Start without samples."""
        self.samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._connections = connections
        self._registry = registry
        self._stats = stats
        # The count and the sum of the delays at the last sample.
        self._lag_before = (0, 0.0)
        self._sampler: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Take samples from now on. Does not wait."""
        if self._sampler is None:
            self._sampler = spawn_forever("the sampler of the charts", self._sample)

    def now(self) -> Sample:
        """Return the sample of this moment. Its lag is the one since the last sample that was kept."""
        lag = self._stats.lag
        count, total = self._lag_before
        return Sample(
            time.time(),
            len(self._connections),
            self._registry.room_count,
            sum(self._stats.forwarded.values()),
            (lag.total - total) / max(lag.count - count, 1),
        )

    def _sample(self) -> None:
        self.samples.append(self.now())
        lag = self._stats.lag
        self._lag_before = lag.count, lag.total
        gevent.sleep(INTERVAL)


def merge(histories: Sequence[list[Sample]]) -> list[Sample]:
    """Return the combined samples of several nodes, at the times of the longest history."""
    merged = []
    for at in (sample.at for sample in max(histories, key=len)):
        present = [sample for samples in histories if (sample := _nearest(samples, at)) is not None]
        values = {name: merger(getattr(sample, name) for sample in present) for name, merger in _MERGERS.items()}
        merged.append(Sample(at, **values))
    return merged


def _nearest(samples: list[Sample], at: float) -> Sample | None:
    # Before its start, a node had nothing. A node that stopped answering keeps its last counts: sums must not fall.
    if not samples or at < samples[0].at - INTERVAL:
        return None
    right = bisect_left(samples, at, key=attrgetter("at"))
    return min(samples[max(0, right - 1) : right + 1], key=lambda sample: abs(sample.at - at))
