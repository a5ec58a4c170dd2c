"""The metrics of several nodes on one page. Each series has the label ``node`` there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import gevent
import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Family(msgspec.Struct, array_like=True, frozen=True):
    """A metric with its samples, in the form in which nodes send it to each other."""

    name: str
    help: str
    type: str
    samples: list[tuple[str, dict[str, str], float]]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Family]).decode


def collect(collector: Collector) -> list[Family]:
    """Return the present metrics of ``collector``."""
    return [
        Family(
            metric.name, metric.documentation, metric.type, [(s.name, s.labels, float(s.value)) for s in metric.samples]
        )
        for metric in collector.collect()
    ]


class ClusterCollector(Collector):
    """The metrics of several nodes."""

    def __init__(self, nodes: Iterable[tuple[str, list[Family] | None]]) -> None:
        """Combine the metrics of each node, by the name of the node. A node that did not answer has None."""
        self._up = GaugeMetricFamily(
            "signaling_node_up", "1 for a worker that answered, 0 for one that is alive and did not.", labels=["node"]
        )
        self._metrics: dict[str, Metric] = {}
        for node, families in nodes:
            self._up.add_metric([node], families is not None)
            for family in families or ():
                metric = self._metrics.get(family.name)
                if metric is None:
                    metric = self._metrics[family.name] = Metric(family.name, family.help, family.type)
                for name, labels, value in family.samples:
                    metric.add_sample(name, {**labels, "node": node}, value)

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with the series of all nodes."""
        yield self._up
        for metric in self._metrics.values():
            # The page of many nodes is long, so other greenlets run in between.
            gevent.sleep(0)
            yield metric
