"""The figures of a worker in Prometheus's format, on the service's port or on one of their own."""

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
"""Connections to the port of the metrics at a time."""

_SCRAPE_SECONDS = 10.0
"""What a connection to that port may take in all."""

_RETRY_SECONDS = 0.2
_BIND_TIMEOUT = 5.0


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
        self._registry.register(NodeCollector(node))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._address = node.settings.metrics_address
        # A colleague tells that it has the port within that.
        told_within = node.settings.node_timeout if node.settings.redis_url else 0.0
        self._bind_timeout = _BIND_TIMEOUT + told_within
        self._starter: gevent.Greenlet[[], None] | None = None
        self._server: WSGIServer | None = None

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return the page, and its content type: OpenMetrics for who accepts it, else Prometheus's own text.

        It has the series of all workers that share the rooms. Then it waits for their answers.
        """
        encode, content_type = choose_encoder(accept)
        cluster = self._node.cluster
        if cluster is None:
            return encode(self._registry), content_type
        told = [(node.name, answer) for node, answer in cluster.survey("metrics", families.decode)]
        own = self._node.info().name, families.collect(self._registry)
        return encode(families.ClusterCollector([own, *told])), content_type

    def answer(self, _: object) -> bytes:
        """Return the series of this worker, for another one."""
        return families.encode(families.collect(self._registry))

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
        self._node.serves_metrics = False

    def _serve(self, address: tuple[str, int]) -> None:
        begin = time.monotonic()
        told = False
        while True:
            server = WSGIServer(
                address, self._answer, spawn=_MAX_SCRAPES, log=None, error_log=log, handler_class=_Scrape
            )
            try:
                server.start()
            except Exception as error:
                # The worker before this one, when gunicorn reloads, has it until it is told to stop.
                if not told and time.monotonic() - begin > self._bind_timeout and not self._is_a_colleagues():
                    told = True
                    why = getattr(error, "strerror", error)
                    log.error("No metrics at %s port %d: %s; it is tried again and again", *address, why)
                gevent.sleep(_RETRY_SECONDS)
                continue
            self._server = server
            self._node.serves_metrics = True
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            log.info("Metrics at http://%s:%d/metrics", host, server.server_port)
            return

    def _is_a_colleagues(self) -> bool:
        """Tell if another worker of this host has the port, and tells of this one too."""
        cluster = self._node.cluster
        if cluster is None:
            return False
        # Nobody knows while Redis is down.
        host = socket.gethostname()
        return cluster.redis == "down" or any(node.metrics and node.host == host for node in cluster.nodes().values())

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
    """Add the port of the metrics, and ``/metrics`` if there is a token for it."""
    metrics = Metrics(node)
    node.background.append(metrics)
    if node.cluster is not None:
        node.cluster.handlers["metrics"] = metrics.answer
    token = node.settings.metrics_token
    if not token:
        return

    @blueprint.get("/metrics", endpoint="metrics")
    @operator_only(node, OperatorAuth(token))
    def metrics_page() -> Response:
        page, content_type = metrics.page(request.headers.get("Accept", ""))
        return Response(page, content_type=content_type)
