"""The metrics for Prometheus, on the port of the service or on a port of their own."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import gevent
from flask import Blueprint, Response, request
from gevent.pywsgi import WSGIHandler, WSGIServer
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as PlainResponse

from ..node.collector import NodeCollector
from ..node.node import Node
from ..security.operator import OperatorAuth
from ..telemetry import families
from .guard import operator_only

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

_MAX_SCRAPES = 10
"""Connections to the metrics port at a time."""

_SCRAPE_TIMEOUT = 10.0
"""Seconds that a connection to the metrics port may take in all."""

_RETRY_SECONDS = 0.2
"""Seconds between two tries to open the metrics port."""

_BIND_TIMEOUT = 5.0
"""Seconds after which the log says that the metrics port is in use."""


class _Scrape(WSGIHandler):  # type: ignore[misc, unused-ignore]
    """A connection to the metrics port."""

    def handle(self) -> None:
        with gevent.Timeout(_SCRAPE_TIMEOUT, False):  # type: ignore[arg-type]
            super().handle()


class Metrics:
    """The page of the metrics, and their own port if ``SIGNALING_METRICS_BIND`` is set."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._registry = CollectorRegistry()
        self._registry.register(NodeCollector(node))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._address = node.settings.metrics_address
        # Another node of this host may have the port. Its heartbeat says so within the node timeout.
        self._bind_timeout = _BIND_TIMEOUT + (node.settings.node_timeout if node.settings.redis_url else 0.0)
        self._starter: gevent.Greenlet[[], None] | None = None
        self._server: WSGIServer | None = None

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type.

        With Redis, the page has the series of all nodes, and this method waits for their answers.

        Args:
            accept: the ``Accept`` header. It chooses OpenMetrics or the text format of Prometheus.
        """
        encode, content_type = choose_encoder(accept)
        cluster = self._node.cluster
        if cluster is None:
            return encode(self._registry), content_type
        others = [(info.name, answer) for info, answer in cluster.survey("metrics", families.decode)]
        own = self._node.info().name, families.collect(self._registry)
        return encode(families.ClusterCollector([own, *others])), content_type

    def encoded(self, _: object) -> bytes:
        """Return the encoded series of this node, for another node."""
        return families.encode(families.collect(self._registry))

    def start(self) -> None:
        """Serve on the metrics port from now on. Does not wait."""
        if self._address is not None and self._starter is None:
            self._starter = gevent.spawn(partial(self._open_port, self._address))

    def stop(self) -> None:
        """Stop serving on the metrics port. Does not wait."""
        if self._starter is not None:
            self._starter.kill(block=False)
        if self._server is not None:
            self._server.close()
            self._server = None
        self._node.serves_metrics = False

    def _open_port(self, address: tuple[str, int]) -> None:
        begin = time.monotonic()
        logged = False
        while True:
            server = WSGIServer(
                address, self._respond, spawn=_MAX_SCRAPES, log=None, error_log=log, handler_class=_Scrape
            )
            try:
                server.start()
            except Exception as error:
                # While gunicorn reloads, the old worker has the port until it stops.
                late = time.monotonic() - begin > self._bind_timeout
                if late and not logged and not self._another_node_serves():
                    logged = True
                    reason = getattr(error, "strerror", error)
                    log.error(
                        "No metrics at %s port %d: %s; the server retries until the port is free", *address, reason
                    )
                gevent.sleep(_RETRY_SECONDS)
                continue
            self._server = server
            self._node.serves_metrics = True
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            log.info("Metrics at http://%s:%d/metrics", host, server.server_port)
            return

    def _another_node_serves(self) -> bool:
        """Return whether another node of this host may have the port. It serves the metrics of this one, too."""
        cluster = self._node.cluster
        if cluster is None:
            return False
        # While Redis is down, the other nodes are unknown.
        host = socket.gethostname()
        return cluster.redis == "down" or any(node.metrics and node.host == host for node in cluster.nodes().values())

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scrape = Request(environ)
        if scrape.path != "/metrics":
            response = PlainResponse("Not found. The metrics are at /metrics.\n", 404)
        elif scrape.method not in ("GET", "HEAD"):
            response = PlainResponse("", 405, {"Allow": "GET, HEAD"})
        else:
            page, content_type = self.page(scrape.headers.get("Accept", ""))
            response = PlainResponse(page, content_type=content_type)
        # Each connection has one request, since a silent connection would keep its place.
        response.headers["Connection"] = "close"
        return response(environ, start_response)


def add_metrics(blueprint: Blueprint, node: Node) -> None:
    """Add the metrics port, and ``/metrics`` if ``SIGNALING_METRICS_TOKEN`` is set."""
    metrics = Metrics(node)
    node.background.append(metrics)
    if node.cluster is not None:
        node.cluster.handlers["metrics"] = metrics.encoded
    if not node.settings.metrics_token:
        return

    @blueprint.get("/metrics", endpoint="metrics")
    @operator_only(node, OperatorAuth(node.settings, "metrics_token"))
    def metrics_page() -> Response:
        page, content_type = metrics.page(request.headers.get("Accept", ""))
        return Response(page, content_type=content_type)
