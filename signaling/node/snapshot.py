"""The figures of a worker for the operator's page, as far as they are no call's own; and those of several as one."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add, attrgetter
from typing import Any

import msgspec

from ..config.settings import Settings
from ..telemetry.histogram import Histogram
from ..telemetry.stats import MAX_REFUSALS, Refusal, Stats
from ..transport import tls
from ..transport.connections import Connections
from .history import INTERVAL, History, Sample
from .info import NodeInfo


class NodeSnapshot(msgspec.Struct, kw_only=True):
    """How it is with one worker, or with several. Counts are those since their start."""

    node: NodeInfo
    now: float
    """Seconds since 1970."""
    max_connections: int
    calls: dict[str, int]
    joins: int
    forwarded: dict[str, int]
    errors: dict[str, int]
    closes: dict[int, int]
    refused: dict[str, int]
    send_buffer_bytes: int
    slow_connections: int
    answered: Histogram
    settled: Histogram
    latency: Histogram
    certificate: tls.Status
    history: list[Sample]
    """Oldest first; the last one is of this moment."""
    refusals: list[Refusal]
    """Newest first."""

    @classmethod
    def of(
        cls, node: NodeInfo, settings: Settings, connections: Connections, stats: Stats, history: History
    ) -> NodeSnapshot:
        """Return how it is with this worker."""
        kept, slow = connections.waiting()
        return cls(
            node=node,
            now=time.time(),
            max_connections=settings.max_connections,
            calls=stats.calls.states(),
            joins=stats.joins,
            forwarded=stats.forwarded,
            errors=stats.errors,
            closes=stats.closes,
            refused=stats.refused,
            send_buffer_bytes=kept,
            slow_connections=slow,
            answered=stats.answered,
            settled=stats.settled,
            latency=stats.latency,
            certificate=tls.status(),
            history=[*history.samples, history.now()],
            refusals=list(reversed(stats.refusals)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as the page has it."""
        node = self.node
        return {
            "version": node.version,
            "now": self.now,
            "uptime": self.now - node.started,
            "draining": node.draining,
            "connections": node.connections,
            "maxConnections": self.max_connections,
            "calls": self.calls,
            "joins": self.joins,
            "relayed": self.forwarded,
            "errors": self.errors,
            "closes": self.closes,
            "refused": self.refused,
            "sendBufferBytes": self.send_buffer_bytes,
            "slowConnections": self.slow_connections,
            "answered": _spread(self.answered),
            "settled": _spread(self.settled),
            "roundTrip": _spread(self.latency),
            "certificate": {"notAfter": self.certificate.not_after, "refused": self.certificate.refused},
            "history": self.history,
            "refusals": [refusal._asdict() for refusal in self.refusals],
        }


def aggregate(snapshots: Sequence[NodeSnapshot]) -> NodeSnapshot:
    """Return how it is with all of them; what only one can have, such as the version, is that of the first."""
    nodes = [snapshot.node for snapshot in snapshots]
    certificates = [snapshot.certificate for snapshot in snapshots]
    refusals = sorted((one for snapshot in snapshots for one in snapshot.refusals), key=attrgetter("at"), reverse=True)
    return NodeSnapshot(
        node=msgspec.structs.replace(
            nodes[0],
            started=min(node.started for node in nodes),
            draining=all(node.draining for node in nodes),
            connections=sum(node.connections for node in nodes),
            rooms=sum(node.rooms for node in nodes),
        ),
        now=snapshots[0].now,
        max_connections=sum(snapshot.max_connections for snapshot in snapshots),
        calls=_sum(snapshot.calls for snapshot in snapshots),
        joins=sum(snapshot.joins for snapshot in snapshots),
        forwarded=_sum(snapshot.forwarded for snapshot in snapshots),
        errors=_sum(snapshot.errors for snapshot in snapshots),
        closes=_sum(snapshot.closes for snapshot in snapshots),
        refused=_sum(snapshot.refused for snapshot in snapshots),
        send_buffer_bytes=sum(snapshot.send_buffer_bytes for snapshot in snapshots),
        slow_connections=sum(snapshot.slow_connections for snapshot in snapshots),
        answered=reduce(add, (snapshot.answered for snapshot in snapshots)),
        settled=reduce(add, (snapshot.settled for snapshot in snapshots)),
        latency=reduce(add, (snapshot.latency for snapshot in snapshots)),
        certificate=tls.Status(
            min((one.not_after for one in certificates if one.not_after is not None), default=None),
            any(one.refused for one in certificates),
        ),
        history=_history([snapshot.history for snapshot in snapshots]),
        refusals=refusals[:MAX_REFUSALS],
    )


def _sum(counts: Iterable[dict[Any, int]]) -> dict[Any, int]:
    summed: Counter[Any] = Counter()
    for count in counts:
        # Unlike a sum of counters this keeps what is zero.
        summed.update(count)
    return dict(summed)


def _history(histories: list[list[Sample]]) -> list[Sample]:
    """Return the sums at the times of the longest of them; of the lags, which do not add up, the greatest."""
    longest = max(histories, key=len)
    merged = []
    for at in (sample.at for sample in longest):
        found = [sample for samples in histories if (sample := _nearest(samples, at)) is not None]
        merged.append(
            Sample(
                at,
                sum(sample.connections for sample in found),
                sum(sample.rooms for sample in found),
                sum(sample.forwarded for sample in found),
                max(sample.lag for sample in found),
            )
        )
    return merged


def _nearest(samples: list[Sample], at: float) -> Sample | None:
    # A worker that began later had nothing before. One that stands still has what it had, else its counts would fall.
    if at < samples[0].at - INTERVAL:
        return None
    right = bisect_left(samples, at, key=attrgetter("at"))
    return min(samples[max(0, right - 1) : right + 1], key=lambda sample: abs(sample.at - at))


def _spread(histogram: Histogram) -> dict[str, float | None]:
    return {"count": histogram.count, "median": histogram.quantile(0.5), "p95": histogram.quantile(0.95)}
