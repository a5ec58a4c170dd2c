"""The form in which a figure of a node is declared. One declaration serves the metrics, snapshots and pages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, Generic, TypeVar

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from .histogram import Histogram

S = TypeVar("S")
V = TypeVar("V")

Counts = Mapping[Any, int]
Series = Callable[[Counts], Counts]
"""A function from counts to the series of a metric, by the value of its label."""


class Figure(msgspec.Struct, Generic[S, V], frozen=True, kw_only=True):
    """One figure, with values of the type ``V`` that are read from an ``S``."""

    name: str
    """Its name in snapshots. The name of its metric is this after ``signaling_``."""
    help: str
    """The help text of its metric."""
    read: Callable[[S], V | None]
    """Return its present value, or None if the node has no such figure."""
    type: Any
    """The type of its values; those of other nodes are checked against it."""
    merge: Callable[[Sequence[V]], V]
    """Combine the values of several nodes; there is at least one."""
    family: Callable[[str, str, V], Metric]
    """Make its metric from a name, a help text and a value."""
    json: str
    """Its key in the JSON for pages; ``a.b`` is the key ``b`` of the object ``a``. Empty if no page has it."""
    to_json: Callable[[V], Any] = lambda value: value
    """Return a value as the JSON has it."""

    def metric(self, value: V) -> Metric:
        """Return its metric with ``value``."""
        return self.family(f"signaling_{self.name}", self.help, value)


def gauge(
    name: str, text: str, read: Callable[[S], float | None], *, merge: Callable[[Any], float] = sum, json: str = ""
) -> Figure[S, float]:
    """Declare a number that rises and falls, or a truth value."""
    return Figure(
        name=name, help=text, read=read, type=bool | int | float, merge=merge, family=GaugeMetricFamily, json=json
    )


def counter(name: str, text: str, read: Callable[[S], int | None], *, json: str = "") -> Figure[S, int]:
    """Declare a number that only rises."""
    return Figure(name=name, help=text, read=read, type=int, merge=sum, family=CounterMetricFamily, json=json)


def gauges(
    name: str, text: str, label: str, read: Callable[[S], Counts | None], *, json: str = ""
) -> Figure[S, Counts]:
    """Declare numbers that rise and fall, by the value of a label."""

    def family(name: str, text: str, counts: Counts) -> Metric:
        return _add_series(GaugeMetricFamily(name, text, labels=[label]), counts)

    return Figure(name=name, help=text, read=read, type=dict[str, int], merge=_sum, family=family, json=json)


def counters(
    name: str,
    text: str,
    label: str,
    read: Callable[[S], Counts | None],
    *,
    series: Series = lambda counts: counts,
    key: type = str,
    json: str = "",
) -> Figure[S, Counts]:
    """Declare numbers that only rise, by the value of a label.

    Args:
        name: as in :class:`Figure`.
        text: its help text.
        label: the name of the label.
        read: as in :class:`Figure`.
        series: a function that returns the series of the metric, if they are not the counts themselves.
        key: the type of the keys of the counts.
        json: as in :class:`Figure`.
    """

    def family(name: str, text: str, counts: Counts) -> Metric:
        return _add_series(CounterMetricFamily(name, text, labels=[label]), series(counts))

    return Figure(name=name, help=text, read=read, type=dict[key, int], merge=_sum, family=family, json=json)  # type: ignore[valid-type]


def histogram(name: str, text: str, read: Callable[[S], Histogram | None], *, json: str = "") -> Figure[S, Histogram]:
    """Declare a distribution. The JSON has its count, its median and its 95th percentile."""

    def family(name: str, text: str, value: Histogram) -> Metric:
        # Prometheus and its client library write a bound as 1.0 and infinity as +Inf.
        buckets = [(str(bound) if bound != float("inf") else "+Inf", count) for bound, count in value.buckets()]
        return HistogramMetricFamily(name, text, buckets, value.total)

    def spread(value: Histogram) -> dict[str, float | None]:
        return {"count": value.count, "median": value.quantile(0.5), "p95": value.quantile(0.95)}

    return Figure(name=name, help=text, read=read, type=Histogram, merge=_add, family=family, json=json, to_json=spread)


def _add_series(family: CounterMetricFamily | GaugeMetricFamily, counts: Counts) -> Metric:
    for label, count in counts.items():
        family.add_metric([str(label)], count)
    return family


def _sum(several: Iterable[Counts]) -> Counts:
    total: Counter[Any] = Counter()
    for counts in several:
        # Unlike `+`, `update` keeps a count of zero.
        total.update(counts)
    return dict(total)


def _add(several: Sequence[Histogram]) -> Histogram:
    return reduce(add, several)
