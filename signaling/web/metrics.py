"""The figures of a worker in Prometheus's format, on the service's port or on one of their own."""

from __future__ import annotations

import logging
import platform
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import gevent
from flask import Blueprint, Response, request
from gevent.pywsgi import WSGIHandler, WSGIServer
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as PlainResponse

from ..node.info import NodeInfo
from ..protocol.codes import CloseCode, ErrorCode
from ..security.operator import Guard
from ..telemetry import families
from ..telemetry.histogram import Histogram
from ..telemetry.stats import REASONS
from ..transport import tls
from ..version import __version__

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from ..node.node import Node

log = logging.getLogger(__name__)

_MOST_SCRAPES = 10
"""Connections to the port of the metrics at a time."""

_SCRAPE_SECONDS = 10.0
"""What a connection to that port may take in all."""

_RETRY_SECONDS = 0.2
_PATIENCE_SECONDS = 5.0


class Figures(Collector):
    """The figures of one node, collected at each scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield each metric; a label that is known before has its 0 from the start."""
        node = self._node
        observer = node.observer
        kept, slow = node.connections.waiting()
        certificate = tls.status()
        yield InfoMetricFamily(
            "signaling_build",
            "The version of the service and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )
        yield _gauge("connections", "WebSockets that are open.", len(node.connections))
        yield _gauge("connections_limit", "WebSockets that may be open.", node.settings.max_connections)
        yield _gauge("rooms", "Rooms with somebody in them.", len(node.registry))
        yield _gauges("calls", "Rooms by how far the call is.", "state", observer.calls.states())
        yield _counters("messages_relayed", "Messages passed on, by type.", "type", observer.relayed)
        yield CounterMetricFamily("signaling_joins", "Joins of a room.", observer.joins)
        yield _counters("errors", "Error replies, by code.", "code", {**dict.fromkeys(ErrorCode, 0), **observer.errors})
        yield _counters("closes", "Ends of WebSockets, by close code.", "code", _closes(observer.closes))
        yield _counters(
            "refusals", "WebSockets refused, by reason.", "reason", {**dict.fromkeys(REASONS, 0), **observer.refused}
        )
        yield _gauge("send_buffer_bytes", "Bytes kept for clients that read slowly.", kept)
        yield _gauge("slow_connections", "Clients that read slowly: something is kept for them.", slow)
        yield _histogram("heartbeat_round_trip_seconds", "From a ping to its pong.", observer.round_trip)
        yield _histogram("event_loop_lag_seconds", "How late the event loop was, once a second.", observer.lag)
        yield _histogram("call_answer_seconds", "From ready to the first answer passed on.", observer.answered)
        yield _histogram("call_setup_seconds", "From ready to the last candidate passed on.", observer.settled)
        if node.shared is not None and node.colleagues is not None:
            nodes = 1 + len(node.colleagues.nodes())
            yield _gauge("nodes", "Workers that are alive and share the rooms, as far as this one knows.", nodes)
            yield _gauge("redis_up", "1 while all of Redis can be reached.", node.colleagues.redis == "up")
            broken = node.shared.links.broken
            yield CounterMetricFamily("signaling_redis_disconnects", "Connections to Redis that broke.", broken)
        if (webhook := node.service.webhook) is not None:
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


class _Scrape(WSGIHandler):  # type: ignore[misc, unused-ignore]
    """A connection, which may take :data:`_SCRAPE_SECONDS` in all."""

    def handle(self) -> None:
        with gevent.Timeout(_SCRAPE_SECONDS, False):  # type: ignore[arg-type]
            super().handle()


class Metrics:
    """The page of the figures, and the port of its own where the settings ask for one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._registry = CollectorRegistry()
        self._registry.register(Figures(node))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._address = node.settings.metrics_address
        # A colleague tells that it has the port within that.
        told_within = node.settings.node_timeout if node.settings.redis_url else 0.0
        self._patience = _PATIENCE_SECONDS + told_within
        self._starter: gevent.Greenlet[[], None] | None = None
        self._server: WSGIServer | None = None

    @property
    def serves(self) -> bool:
        """Whether the port of its own is this worker's."""
        return self._server is not None

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page, and its content type: OpenMetrics for who accepts it, else Prometheus's own text.

        It has the series of all workers that share the rooms. Then it waits for their answers.
        """
        encode, content_type = choose_encoder(accept)
        colleagues = self._node.colleagues
        if colleagues is None:
            return encode(self._registry), content_type
        told = [(node.name, families) for node, families in colleagues.ask("metrics", families.decode)]
        own = NodeInfo.of(self._node).name, families.families(self._registry)
        return encode(families.Page([own, *told])), content_type

    def answer(self, _: object) -> bytes:
        """Return the series of this worker, for another one."""
        return families.encode(families.families(self._registry))

    def start(self) -> None:
        """Serve on a port of its own from now on. Does not wait."""
        if self._address is not None and self._starter is None:
            self._starter = gevent.spawn(partial(self._serve, self._address))

    def stop(self) -> None:
        """Serve there no more."""
        if self._starter is not None:
            self._starter.kill(block=False)
        if self._server is not None:
            self._server.close()
            self._server = None

    def _serve(self, address: tuple[str, int]) -> None:
        begin = time.monotonic()
        told = False
        while True:
            server = WSGIServer(
                address, self._answer, spawn=_MOST_SCRAPES, log=None, error_log=log, handler_class=_Scrape
            )
            try:
                server.start()
            except Exception as error:
                # The worker before this one, when gunicorn reloads, has it until it is told to stop.
                if not told and time.monotonic() - begin > self._patience and not self._is_a_colleagues():
                    told = True
                    why = getattr(error, "strerror", error)
                    log.error("No metrics at %s port %d: %s; it is tried again and again", *address, why)
                gevent.sleep(_RETRY_SECONDS)
                continue
            self._server = server
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            log.info("Metrics at http://%s:%d/metrics", host, server.server_port)
            return

    def _is_a_colleagues(self) -> bool:
        """Tell if another worker of this host has the port, and tells of this one too."""
        colleagues = self._node.colleagues
        if colleagues is None:
            return False
        # Nobody knows while Redis is down.
        host = socket.gethostname()
        return colleagues.redis == "down" or any(
            node.metrics and node.host == host for node in colleagues.nodes().values()
        )

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = Request(environ)
        if asked.path != "/metrics":
            answer = PlainResponse("Not found: /metrics is here.\n", 404)
        elif asked.method not in ("GET", "HEAD"):
            answer = PlainResponse("", 405, {"Allow": "GET, HEAD"})
        else:
            page, content_type = self.page(asked.headers.get("Accept", ""))
            answer = PlainResponse(page, content_type=content_type)
        # One request a connection: a silent one would keep its place.
        answer.headers["Connection"] = "close"
        return answer(environ, start_response)


def add_metrics(blueprint: Blueprint, node: Node) -> None:
    """Add ``/metrics``, if there is a token for it."""
    token = node.settings.metrics_token
    if not token:
        return
    guard = Guard(token)

    @blueprint.get("/metrics")
    def metrics() -> Response:
        refusal = guard.refusal(node.client_address())
        if refusal is not None:
            return refusal
        page, content_type = node.metrics.page(request.headers.get("Accept", ""))
        return Response(page, headers={"Cache-Control": "no-store"}, content_type=content_type)
