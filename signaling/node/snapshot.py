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
from ..telemetry.stats import MOST_REFUSALS, Observer, Refusal
from ..transport import tls
from ..transport.connections import Connections
from .history import INTERVAL, History, Sample
from .info import NodeInfo


class Report(msgspec.Struct, kw_only=True):
    """How it is with one worker, or with several. Counts are those since their start."""

    node: NodeInfo
    now: float
    """Seconds since 1970."""
    max_connections: int
    calls: dict[str, int]
    joins: int
    relayed: dict[str, int]
    errors: dict[str, int]
    closes: dict[int, int]
    refused: dict[str, int]
    send_buffer_bytes: int
    slow_connections: int
    answered: Histogram
    settled: Histogram
    round_trip: Histogram
    certificate: tls.Status
    history: list[Sample]
    """Oldest first; the last one is of this moment."""
    refusals: list[Refusal]
    """Newest first."""

    @classmethod
    def of(
        cls, node: NodeInfo, settings: Settings, connections: Connections, stats: Observer, history: History
    ) -> Report:
        """Return how it is with this worker."""
        kept, slow = connections.waiting()
        return cls(
            node=node,
            now=time.time(),
            max_connections=settings.max_connections,
            calls=stats.calls.states(),
            joins=stats.joins,
            relayed=stats.relayed,
            errors=stats.errors,
            closes=stats.closes,
            refused=stats.refused,
            send_buffer_bytes=kept,
            slow_connections=slow,
            answered=stats.answered,
            settled=stats.settled,
            round_trip=stats.round_trip,
            certificate=tls.status(),
            history=[*history.samples, history.now()],
            refusals=list(reversed(stats.refusals)),
        )

    def shown(self) -> dict[str, Any]:
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
            "relayed": self.relayed,
            "errors": self.errors,
            "closes": self.closes,
            "refused": self.refused,
            "sendBufferBytes": self.send_buffer_bytes,
            "slowConnections": self.slow_connections,
            "answered": _spread(self.answered),
            "settled": _spread(self.settled),
            "roundTrip": _spread(self.round_trip),
            "certificate": {"notAfter": self.certificate.not_after, "refused": self.certificate.refused},
            "history": self.history,
            "refusals": [refusal._asdict() for refusal in self.refusals],
        }


def total(reports: Sequence[Report]) -> Report:
    """Return how it is with all of them; what only one can have, such as the version, is that of the first."""
    nodes = [report.node for report in reports]
    certificates = [report.certificate for report in reports]
    refusals = sorted((one for report in reports for one in report.refusals), key=attrgetter("at"), reverse=True)
    return Report(
        node=msgspec.structs.replace(
            nodes[0],
            started=min(node.started for node in nodes),
            draining=all(node.draining for node in nodes),
            connections=sum(node.connections for node in nodes),
            rooms=sum(node.rooms for node in nodes),
        ),
        now=reports[0].now,
        max_connections=sum(report.max_connections for report in reports),
        calls=_sum(report.calls for report in reports),
        joins=sum(report.joins for report in reports),
        relayed=_sum(report.relayed for report in reports),
        errors=_sum(report.errors for report in reports),
        closes=_sum(report.closes for report in reports),
        refused=_sum(report.refused for report in reports),
        send_buffer_bytes=sum(report.send_buffer_bytes for report in reports),
        slow_connections=sum(report.slow_connections for report in reports),
        answered=reduce(add, (report.answered for report in reports)),
        settled=reduce(add, (report.settled for report in reports)),
        round_trip=reduce(add, (report.round_trip for report in reports)),
        certificate=tls.Status(
            min((one.not_after for one in certificates if one.not_after is not None), default=None),
            any(one.refused for one in certificates),
        ),
        history=_history([report.history for report in reports]),
        refusals=refusals[:MOST_REFUSALS],
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
                sum(sample.relayed for sample in found),
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
