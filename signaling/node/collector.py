"""The figures of one node as Prometheus's metrics, collected at each scrape."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..protocol.codes import CloseCode, ErrorCode
from ..telemetry.histogram import Histogram
from ..telemetry.stats import REASONS
from ..transport import tls
from ..version import __version__
from .node import Node


class NodeCollector(Collector):
    """The figures of one node, collected at each scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield each metric; a label that is known before has its 0 from the start."""
        node = self._node
        stats = node.stats
        kept, slow = node.connections.waiting()
        certificate = tls.status()
        yield InfoMetricFamily(
            "signaling_build",
            "The version of the service and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )
        yield _gauge("connections", "WebSockets that are open.", len(node.connections))
        yield _gauge("connections_limit", "WebSockets that may be open.", node.settings.max_connections)
        yield _gauge("rooms", "Rooms with somebody in them.", node.registry.room_count)
        yield _gauges("calls", "Rooms by how far the call is.", "state", stats.calls.states())
        yield _counters("messages_relayed", "Messages passed on, by type.", "type", stats.forwarded)
        yield CounterMetricFamily("signaling_joins", "Joins of a room.", stats.joins)
        yield _counters("errors", "Error replies, by code.", "code", {**dict.fromkeys(ErrorCode, 0), **stats.errors})
        yield _counters("closes", "Ends of WebSockets, by close code.", "code", _closes(stats.closes))
        yield _counters(
            "refusals", "WebSockets refused, by reason.", "reason", {**dict.fromkeys(REASONS, 0), **stats.refused}
        )
        yield _gauge("send_buffer_bytes", "Bytes kept for clients that read slowly.", kept)
        yield _gauge("slow_connections", "Clients that read slowly: something is kept for them.", slow)
        yield _histogram("heartbeat_round_trip_seconds", "From a ping to its pong.", stats.latency)
        yield _histogram("event_loop_lag_seconds", "How late the event loop was, once a second.", stats.lag)
        yield _histogram("call_answer_seconds", "From ready to the first answer passed on.", stats.answered)
        yield _histogram("call_setup_seconds", "From ready to the last candidate passed on.", stats.settled)
        if node.shared is not None and node.cluster is not None:
            nodes = 1 + len(node.cluster.nodes())
            yield _gauge("nodes", "Workers that are alive and share the rooms, as far as this one knows.", nodes)
            yield _gauge("redis_up", "1 while all of Redis can be reached.", node.cluster.redis == "up")
            broken = node.shared.redis.broken
            yield CounterMetricFamily("signaling_redis_disconnects", "Connections to Redis that broke.", broken)
        if (webhook := node.context.webhook) is not None:
            results = {"delivered": webhook.delivered, "failed": webhook.failed, "dropped": webhook.dropped}
            yield _counters("webhooks", "Webhooks, by what became of them.", "result", results)
        if certificate.not_after is not None:
            yield _gauge(
                "certificate_expiry_timestamp_seconds",
                "When the certificate in use ends, in seconds since 1970.",
                certificate.not_after,
            )
        yield _gauge(
            "certificate_refused",
            "1 while a renewed certificate is broken and the old one stays in use.",
            certificate.refused,
        )


def _closes(closes: Mapping[int, int]) -> dict[str, int]:
    # A client may close with any of a thousand codes of its own: those are one.
    known = {str(code.value): closes.get(code, 0) for code in CloseCode}
    return known | {"other": sum(closes.values()) - sum(known.values())}


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"signaling_{name}", words, value)


def _gauges(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    return _labelled(GaugeMetricFamily(f"signaling_{name}", words, labels=[label]), values)


def _counters(name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    return _labelled(CounterMetricFamily(f"signaling_{name}", words, labels=[label]), values)


def _labelled(family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, int]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _histogram(name: str, words: str, histogram: Histogram) -> Metric:
    # Prometheus writes 1.0 and +Inf, the client library likewise.
    buckets = [(str(bound) if bound != float("inf") else "+Inf", count) for bound, count in histogram.buckets()]
    return HistogramMetricFamily(f"signaling_{name}", words, buckets, histogram.total)
