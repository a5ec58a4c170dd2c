"""The figures of a node, each declared once: for ``/metrics``, for ``/ops``, and for the snapshots of other nodes.

A new figure is one entry of :data:`FIGURES`, and one row in ``docs/monitoring.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..protocol.codes import CloseCode, ErrorCode
from ..telemetry.figure import Counts, Figure, counter, counters, gauge, gauges, histogram
from ..telemetry.stats import REASONS
from ..transport import tls
from .node import Node


class Reading:
    """A node at one moment: what its figures are read from.

    Attributes:
        node: the node.
        stats: its counts.
        slow_connections: clients that read slowly.
        send_buffer_bytes: bytes kept for them.
        certificate: the state of the TLS certificate.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.stats = node.stats
        self.send_buffer_bytes, self.slow_connections = node.connections.waiting()
        self.certificate = tls.status()


def _with_zeros(known: Iterable[str], counts: Counts) -> Counts:
    # Prometheus sees an increase only if the series was there before. So known labels start at 0.
    return {**dict.fromkeys(known, 0), **counts}


def _closes(counts: Counts) -> Counts:
    # Clients can close with a thousand codes of their own. Those share one series.
    known = {str(code.value): counts.get(code, 0) for code in CloseCode}
    return known | {"other": sum(counts.values()) - sum(known.values())}


def _nodes(at: Reading) -> int | None:
    cluster = at.node.cluster
    return None if cluster is None else 1 + len(cluster.nodes())


def _redis_up(at: Reading) -> bool | None:
    cluster = at.node.cluster
    return None if cluster is None else cluster.redis == "up"


def _redis_disconnects(at: Reading) -> int | None:
    shared = at.node.shared
    return None if shared is None else shared.redis.broken


def _nodes_lost(at: Reading) -> int | None:
    shared = at.node.shared
    return None if shared is None else shared.redis.evictions.lost


def _turn_up(at: Reading) -> Counts | None:
    check = at.node.turn_check
    return None if check is None else {url: int(up) for url, up in check.up.items()}


def _webhooks(at: Reading) -> Counts | None:
    webhook = at.node.context.webhook
    if webhook is None:
        return None
    return {"delivered": webhook.delivered, "failed": webhook.failed, "dropped": webhook.dropped}


FIGURES: tuple[Figure[Reading, Any], ...] = (
    gauge("connections", "WebSockets that are open.", lambda at: len(at.node.connections), json="connections"),
    gauge(
        "connections_limit",
        "WebSockets that may be open.",
        lambda at: at.node.settings.max_connections,
        json="maxConnections",
    ),
    gauge("rooms", "Rooms with somebody in them.", lambda at: at.node.registry.room_count),
    gauges("calls", "Rooms by how far the call is.", "state", lambda at: at.stats.calls.states(), json="calls"),
    counters("messages_relayed", "Messages passed on, by type.", "type", lambda at: at.stats.forwarded, json="relayed"),
    counter("joins", "Joins of a room.", lambda at: at.stats.joins, json="joins"),
    counters(
        "errors",
        "Error replies, by code.",
        "code",
        lambda at: at.stats.errors,
        series=lambda counts: _with_zeros(ErrorCode, counts),
        json="errors",
    ),
    counters(
        "closes",
        "Ends of WebSockets, by close code.",
        "code",
        lambda at: at.stats.closes,
        series=_closes,
        key=int,
        json="closes",
    ),
    counters(
        "server_closes",
        "Ends of WebSockets by the server, by close code.",
        "code",
        lambda at: at.stats.server_closes,
        series=_closes,
        key=int,
    ),
    counters(
        "refusals",
        "WebSockets refused, by reason.",
        "reason",
        lambda at: at.stats.refused,
        series=lambda counts: _with_zeros(REASONS, counts),
        json="refused",
    ),
    gauge(
        "send_buffer_bytes",
        "Bytes kept for clients that read slowly.",
        lambda at: at.send_buffer_bytes,
        json="sendBufferBytes",
    ),
    gauge(
        "slow_connections",
        "Clients that read slowly: something is kept for them.",
        lambda at: at.slow_connections,
        json="slowConnections",
    ),
    histogram(
        "heartbeat_round_trip_seconds", "From a ping to its pong.", lambda at: at.stats.latency, json="roundTrip"
    ),
    histogram("event_loop_lag_seconds", "How late the event loop was, once a second.", lambda at: at.stats.lag),
    histogram(
        "call_answer_seconds",
        "From ready to the first answer passed on.",
        lambda at: at.stats.answered,
        json="answered",
    ),
    histogram(
        "call_setup_seconds", "From ready to the last candidate passed on.", lambda at: at.stats.settled, json="settled"
    ),
    gauge("nodes", "Workers that are alive and share the rooms, as far as this one knows.", _nodes, merge=max),
    counter("nodes_lost", "Workers whose lease ended, and which this one removed.", _nodes_lost),
    gauge("redis_up", "1 while all of Redis can be reached.", _redis_up, merge=min),
    counter("redis_disconnects", "Connections to Redis that broke.", _redis_disconnects),
    counters("webhooks", "Webhooks, by what became of them.", "result", _webhooks),
    gauges("turn_up", "1 for a TURN server that gave a relay at the latest check.", "url", _turn_up),
    gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate in use ends, in seconds since 1970.",
        lambda at: at.certificate.not_after,
        merge=min,
        json="certificate.notAfter",
    ),
    gauge(
        "certificate_refused",
        "1 while a renewed certificate is broken and the old one stays in use.",
        lambda at: at.certificate.refused,
        merge=max,
        json="certificate.refused",
    ),
)
"""Every figure, in the order of the metrics."""
