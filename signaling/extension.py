"""The service as a Flask extension: inside an app of its own, or inside somebody else's."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response
from simple_websocket import ConnectionClosed

from .connection import Connection
from .connections import Connections
from .endpoint import Sock, refuse
from .pages import add_pages
from .protocol import CloseCode
from .registry import Registry, rooms
from .session import Session
from .settings import PREFIX, Settings, misspelled
from .worker import Conversation

if TYPE_CHECKING:
    import gevent.socket

log = logging.getLogger(__name__)


class Signaling:
    """WebRTC signaling for a Flask app.

    ``Signaling(app)``, or ``init_app`` where there is an app factory. Its routes are ``/`` (the call page, and the
    WebSocket), ``/ws`` (the WebSocket), ``/ice-servers``, ``/healthz`` and ``/static/``, all under ``url_prefix``.

    Attributes:
        settings: from the environment, with any ``SIGNALING_`` name of the app's config before it.
        registry: the rooms; those of the process unless given.
        connections: the WebSockets that are open in this process.
    """

    def __init__(self, app: Flask | None = None, *, url_prefix: str | None = None, registry: Registry = rooms) -> None:
        self.registry = registry
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
        for name, nearest in misspelled(environ):
            log.warning("%s is not a setting: did you mean %s?", name, nearest)
        self.connections = Connections(self.settings)
        blueprint = Blueprint("signaling", __name__, url_prefix=self.url_prefix, static_folder="static")
        sock = Sock(app)
        for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
            sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(self._admit)
        add_pages(blueprint, self)
        app.register_blueprint(blueprint)
        app.extensions["signaling"] = self

    def _admit(self) -> Conversation | Response:
        if self.connections.draining:
            return refuse(503, "The server is restarting.", **{"Retry-After": "1"})
        if len(self.connections) >= self.settings.max_connections:
            return refuse(503, "The server is full.", **{"Retry-After": "10"})
        return self._converse

    def _converse(self, sock: gevent.socket.socket) -> None:
        settings = self.settings
        connection = Connection(
            sock,
            max_message_bytes=settings.max_message_bytes,
            send_buffer_bytes=settings.send_buffer_bytes,
            close_timeout=settings.close_timeout,
        )
        session = Session(self.registry, connection, settings)
        connection.at_once = session.relay
        self.connections.add(connection)
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
            code = connection.close_code or CloseCode.ABNORMAL
            session.end(code)
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
