"""The last minutes of a service in figures, for the charts of the operator's page."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sized
from typing import NamedTuple

import gevent

from ..process.supervisor import spawn_forever
from ..rooms.registry import Registry
from ..telemetry.stats import Stats

INTERVAL = 5.0
"""Seconds between two samples."""

MAX_SAMPLES = 181
"""Fifteen minutes."""


class Sample(NamedTuple):
    """How it was at one moment. A list in JSON, since there are many."""

    at: float
    """Seconds since 1970."""
    connections: int
    rooms: int
    forwarded: int
    """Messages passed on, since the start."""
    lag: float
    """Seconds by which the event loop was late, on the average since the sample before."""


class History:
    """The latest samples, oldest first."""

    def __init__(self, connections: Sized, registry: Registry, stats: Stats) -> None:
        """Begin with none."""
        self.samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._connections = connections
        self._registry = registry
        self._observer = stats
        self._lags = (0, 0.0)
        self._sampler: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Take samples from now on. Does not wait."""
        if self._sampler is None:
            self._sampler = spawn_forever("the sampler of the charts", self._sample)

    def now(self) -> Sample:
        """Return how it is now; its lag is that since the last sample."""
        lag = self._observer.lag
        number, aggregate = self._lags
        return Sample(
            time.time(),
            len(self._connections),
            self._registry.room_count,
            sum(self._observer.forwarded.values()),
            (lag.total - aggregate) / max(lag.count - number, 1),
        )

    def _sample(self) -> None:
        self.samples.append(self.now())
        lag = self._observer.lag
        self._lags = lag.count, lag.total
        gevent.sleep(INTERVAL)
