"""The service as a Flask extension: inside an app of its own, or inside somebody else's."""

from __future__ import annotations

import logging
import os
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from flask import Blueprint, Flask, Response, request
from simple_websocket import ConnectionClosed

from .addresses import Addresses, Proxies
from .colleagues import Colleagues
from .connection import Connection
from .connections import Connections
from .endpoint import Sock, refuse
from .environment import PREFIX, misspelled
from .headers import add_headers
from .history import History
from .metrics import Metrics, add_metrics
from .node import Node
from .ops import add_ops, answers
from .origins import Origins
from .pages import add_pages
from .protocol import CloseCode
from .registry import Registry, rooms
from .service import Service
from .session import Session
from .settings import Settings
from .worker import Conversation

if TYPE_CHECKING:
    import gevent.socket

    from .redis_registry import RedisRegistry

log = logging.getLogger(__name__)

_all: weakref.WeakSet[Signaling] = weakref.WeakSet()


class Rejection(NamedTuple):
    """Why there is no WebSocket for a client."""

    reason: str
    """One of :data:`signaling.observer.REASONS`."""
    status: int
    """The HTTP status of the answer."""
    words: str
    """The reason in a sentence."""
    retry_after: int = 0
    """Seconds after which the client may try again; 0 if that would change nothing."""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the answer."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


class Signaling:
    """WebRTC signaling for a Flask app.

    ``Signaling(app)``, or ``init_app`` where there is an app factory. Its routes are ``/`` (the call page, and the
    WebSocket), ``/ws`` (the WebSocket), ``/ice-servers``, ``/healthz`` and ``/static/``, and where the settings ask for
    them ``/metrics`` and ``/ops``, all under ``url_prefix``.

    Attributes:
        settings: from the environment, with any ``SIGNALING_`` name of the app's config before it.
        registry: the rooms; unless given those in Redis, where the settings name one, else those of the process.
        shared: the rooms, if they are in Redis, else None.
        colleagues: the other workers that share them; None where nobody does.
        connections: the WebSockets that are open in this process.
        observer: what is counted and noted.
        metrics: that in Prometheus's format.
        history: that of the last minutes.
    """

    def __init__(
        self, app: Flask | None = None, *, url_prefix: str | None = None, registry: Registry | None = None
    ) -> None:
        self._given = registry
        self.url_prefix = url_prefix
        self.started = time.monotonic()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the routes to ``app``, and itself as ``app.extensions["signaling"]``.

        Raises:
            signaling.settings.SettingsError: a setting has a wrong value.
        """
        configured = {name: value for name, value in app.config.items() if name.startswith(PREFIX)}
        environ: dict[str, Any] = {**os.environ, **configured}
        self.settings = Settings.load(environ)
        for name, nearest in misspelled(environ, Settings.__struct_fields__):
            log.warning("%s is not a setting: did you mean %s?", name, nearest)
        self.shared = None if self._given is not None else self._shared()
        # Not by their truth: one without rooms is false.
        self.registry = next(each for each in (self._given, self.shared, rooms) if each is not None)
        self.service = Service.of(self.settings, self.registry)
        self.observer = self.service.observer
        self.connections = Connections(self.settings, self.observer)
        self._origins = Origins(self.settings.allowed_origins, allow_missing=self.settings.allow_missing_origin)
        self._proxies = Proxies(self.settings.trusted_proxies)
        self._addresses = Addresses(self.settings)
        blueprint = Blueprint("signaling", __name__, url_prefix=self.url_prefix, static_folder="static")
        sock = Sock(app)
        for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
            sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(self._admit)
        add_headers(blueprint, self.settings)
        add_pages(blueprint, self)
        self.metrics = Metrics(self)
        self.history = History(self)
        self.colleagues = self._colleagues()
        add_metrics(blueprint, self)
        add_ops(blueprint, self)
        app.register_blueprint(blueprint)
        app.extensions["signaling"] = self
        _all.add(self)

    def _shared(self) -> RedisRegistry | None:
        if not self.settings.redis_url:
            return None
        # A service without Redis need not have it in its memory.
        from .redis_registry import RedisRegistry

        return RedisRegistry(self.settings, lambda: msgspec.json.encode(Node.of(self)))

    def _colleagues(self) -> Colleagues | None:
        if self.shared is None:
            return None
        return Colleagues(self.shared.channels, {"metrics": self.metrics.answer, **answers(self)})

    def start(self) -> None:
        """Begin what goes on beside the requests, in the worker. Does not wait."""
        if self.shared is not None:
            self.shared.links.start()
        self.metrics.start()
        if self.settings.ops_token:
            self.history.start()

    def stop(self) -> None:
        """Let go of what the next worker needs."""
        self.metrics.stop()

    def finish(self) -> None:
        """Let the other workers know that this one is gone. Waits."""
        if self.shared is not None:
            self.shared.links.stop()

    def client_address(self) -> str:
        """Return the address of the client whose request this is; empty on a Unix socket where no proxy tells it."""
        return self._proxies.client(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""))

    def _admit(self) -> Conversation | Response:
        address = self.client_address()
        # What is logged of the request names the client as well.
        request.remote_addr = address
        rejection = self.rejection(address)
        if rejection is not None:
            self.observer.refuse(rejection.reason, rejection.words)
            return refuse(rejection.status, rejection.words, **rejection.headers)
        return partial(self._converse, address)

    def rejection(self, address: str, *, count: bool = True) -> Rejection | None:
        """Return why the client at ``address`` gets no WebSocket for the present request, or None.

        Without ``count`` this is a question only: it uses up nothing of what the address may open.
        """
        if self.connections.draining:
            return Rejection("draining", 503, "The server is restarting.", 1)
        if not self._origins.allow(request.headers.get("Origin"), request.host):
            return Rejection("origin", 403, "This origin is not allowed.")
        if len(self.connections) >= self.settings.max_connections:
            return Rejection("full", 503, "The server is full.", 10)
        if why := self._addresses.refusal(address, time.monotonic(), count=count):
            return Rejection("address", 429, why, 10)
        return None

    def _converse(self, address: str, sock: gevent.socket.socket) -> None:
        settings = self.settings
        connection = Connection(
            sock,
            max_message_bytes=settings.max_message_bytes,
            send_buffer_bytes=settings.send_buffer_bytes,
            close_timeout=settings.close_timeout,
        )
        session = Session(self.service, connection)
        connection.at_once = session.relay
        connection.tell_extras = session.count
        self.connections.add(connection)
        self._addresses.add(address)
        log.info("Client connected", extra={"connection": session.id})
        try:
            while True:
                session.receive(connection.receive())
        except ConnectionClosed:
            pass
        except Exception:
            log.exception("A fault of this server closes a connection", extra={"connection": session.id})
            connection.close(CloseCode.INTERNAL_ERROR, "Internal error")
        finally:
            self.connections.discard(connection)
            self._addresses.discard(address)
            code = connection.close_code or CloseCode.ABNORMAL
            session.end(code)
            self.observer.closes[code] += 1
            log.info(
                "Client disconnected",
                extra={
                    "connection": session.id,
                    "code": int(code),
                    "reason": connection.close_reason,
                    "seconds": round(time.monotonic() - connection.opened, 3),
                },
            )
            connection.release()


def start_all() -> None:
    """Begin what goes on beside the requests, in each service of this process."""
    for service in list(_all):
        service.start()


def stop_all() -> None:
    """Let go of what the next worker needs, in each service of this process."""
    for service in list(_all):
        service.stop()


def finish_all() -> None:
    """Let the other workers know that this one is gone, in each service of this process. Waits."""
    for service in list(_all):
        service.finish()
