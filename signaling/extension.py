"""The Flask extension: it adds the service to any Flask app."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Blueprint, Flask

from .config.env import PREFIX, misspelled
from .config.settings import Settings
from .node.node import Node
from .rooms.registry import Registry
from .transport.route import Sock
from .web.headers import add_headers
from .web.metrics import add_metrics
from .web.ops import add_ops
from .web.pages import add_pages, refuse_disguised_path

log = logging.getLogger(__name__)


class Signaling:
    """WebRTC signaling for a Flask app.

    Use ``Signaling(app)``, or ``init_app`` in an app factory. The routes are ``/`` (the call page and the WebSocket),
    ``/ws`` (the WebSocket), ``/ice-servers``, ``/healthz`` and ``/static/``, all under ``url_prefix``. The settings can
    add ``/metrics`` and ``/ops``.

    Each app gets its own :class:`~signaling.node.node.Node`, at ``app.extensions["signaling"]``, with its own settings,
    rooms, connections and stats. Users of two apps in one process never meet.
    """

    def __init__(
        self, app: Flask | None = None, *, url_prefix: str | None = None, registry: Registry | None = None
    ) -> None:
        """Keep the options for each app.

        Args:
            app: an app to initialize at once.
            url_prefix: the path in front of all routes.
            registry: the rooms of the app. With a registry, the object can initialize only one app.
        """
        self.url_prefix = url_prefix
        self._registry = registry
        self._given_to: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the routes to ``app``, and its node as ``app.extensions["signaling"]``.

        Raises:
            signaling.config.settings.SettingsError: a setting has a wrong value.
            RuntimeError: the app has a node already, or another app uses the given registry.
        """
        if "signaling" in app.extensions:
            raise RuntimeError("This app has the signaling service already: initialise each app once.")
        if self._registry is not None and self._given_to is not None:
            raise RuntimeError("Another app has this registry: make one Signaling and one registry for each app.")
        node = Node(_settings(app), self._registry)
        blueprint = Blueprint("signaling", __name__, url_prefix=self.url_prefix, static_folder="web/static")
        sock = Sock(app)
        for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
            sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(node.admit)
        blueprint.before_request(refuse_disguised_path)
        add_headers(blueprint, node.settings)
        if self.url_prefix:
            # The app answers unknown paths, not the blueprint.
            add_headers(app, node.settings, under=self.url_prefix.rstrip("/"))
        add_pages(blueprint, node)
        add_metrics(blueprint, node)
        add_ops(blueprint, node)
        app.register_blueprint(blueprint)
        app.extensions["signaling"] = node
        self._given_to = app


def _settings(app: Flask) -> Settings:
    configured = {name: value for name, value in app.config.items() if name.startswith(PREFIX)}
    environ: dict[str, Any] = {**os.environ, **configured}
    for name, nearest in misspelled(environ, Settings.__struct_fields__):
        log.warning("%s is not a setting: did you mean %s?", name, nearest)
    return Settings.load(environ)
