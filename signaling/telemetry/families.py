"""The metrics of several workers on one page: each series has the label ``node`` there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import gevent
import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Family(msgspec.Struct, array_like=True, frozen=True):
    """A metric with its samples, as one worker tells them another."""

    name: str
    words: str
    type: str
    samples: list[tuple[str, dict[str, str], float]]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Family]).decode


def families(collector: Collector) -> list[Family]:
    """Return what ``collector`` has now."""
    return [
        Family(
            metric.name, metric.documentation, metric.type, [(s.name, s.labels, float(s.value)) for s in metric.samples]
        )
        for metric in collector.collect()
    ]


class ClusterCollector(Collector):
    """The metrics of several workers."""

    def __init__(self, nodes: Iterable[tuple[str, list[Family] | None]]) -> None:
        """Put together what each worker has, by its name; None is one that is alive and did not answer."""
        self._up = GaugeMetricFamily(
            "signaling_node_up", "1 for a worker that answered, 0 for one that is alive and did not.", labels=["node"]
        )
        self._metrics: dict[str, Metric] = {}
        for node, told in nodes:
            self._up.add_metric([node], told is not None)
            for family in told or ():
                metric = self._metrics.get(family.name)
                if metric is None:
                    metric = self._metrics[family.name] = Metric(family.name, family.words, family.type)
                for name, labels, value in family.samples:
                    metric.add_sample(name, {**labels, "node": node}, value)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with the series of all workers."""
        yield self._up
        for metric in self._metrics.values():
            # Others have their turn: of many workers it is a long page.
            gevent.sleep(0)
            yield metric
