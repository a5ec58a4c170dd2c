"""The figures of one node as Prometheus's metrics, read at each scrape."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from ..version import __version__
from . import figures
from .node import Node


class NodeCollector(Collector):
    """The figures of one node as Prometheus's metrics."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield the metric of each figure that the node has, after the one of its version."""
        yield InfoMetricFamily(
            "signaling_build",
            "The version of the service and of Python, and the name of the release.",
            {
                "version": __version__,
                "python": platform.python_version(),
                "release": self._node.settings.release,
            },
        )
        with self._node.lock:
            reading = figures.Reading(self._node)
            read = [(figure, figure.read(reading)) for figure in figures.FIGURES]
            metrics = [figure.metric(value) for figure, value in read if value is not None]
        yield from metrics
