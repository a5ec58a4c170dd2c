"""The Flask extension: it adds the service to any Flask app."""

from __future__ import annotations

import logging
import os
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from flask import Blueprint, Flask, current_app

from .config.env import PREFIX, SettingsError, load, misspelled
from .config.extension_settings import ExtensionSettings
from .config.settings import Settings
from .node.control import Control
from .node.node import Node
from .rooms.registry import Registry
from .testing import SignalingClient
from .transport.route import Sock
from .web.app_admission import AppAdmission, Authorizer, UserLoader
from .web.app_events import AppEvents
from .web.app_methods import AppMethods
from .web.headers import add_headers
from .web.metrics import add_metrics
from .web.ops import add_ops
from .web.pages import add_pages, refuse_disguised_path

log = logging.getLogger(__name__)

_PROTECTIONS = {
    f"{PREFIX}{name}"
    for name in ("JWT_KEY", "JWT_AUDIENCE", "JWT_ISSUER", "ALLOWED_ORIGINS", "ALLOW_MISSING_ORIGIN", "TRUSTED_PROXIES")
}
"""The settings whose misspelled name ends the start."""

_PROTECTING_WORDS = ("JWT", "ORIGIN", "_KEY", "SECRET", "TOKEN")
"""The words in a name that is meant for a protection."""

_SAME = 0.85
"""The similarity from which on a name counts as a misspelled one."""


class Signaling(AppMethods):
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
        self.load_user: UserLoader | None = None
        self.authorize: Authorizer | None = None
        self._registry = registry
        self._given_to: Flask | None = None
        if app is not None:
            self.init_app(app)

    def user_loader(self, load_user: UserLoader) -> UserLoader:
        """Decorate the function that returns the id of the logged-in user, or None.

        It runs once for each connection, in the request of its handshake, so sessions and cookies work. It fixes the
        user of the connection: a ``join`` may leave out ``userId``, and may name no other user. If it returns None,
        the connection may not join. Only pages of the own origin, or of ``SIGNALING_ALLOWED_ORIGINS``, may connect.
        """
        self.load_user = load_user
        return load_user

    def authorizer(self, authorize: Authorizer) -> Authorizer:
        """Decorate the function that returns whether a user may call a peer: ``authorize(user, peer)``.

        It runs in an app context, at each join. If it returns a false value, the client gets ``unauthorized`` and the
        close code 4003. If it raises, or takes longer than ``SIGNALING_HOOK_TIMEOUT``, the close code is 1013.
        """
        self.authorize = authorize
        return authorize

    def _control(self) -> Control:
        node: Node | None = current_app.extensions.get("signaling")
        if node is None:
            raise RuntimeError("This app has no signaling service: call init_app first.")
        return node.control

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
        settings, own = _settings(app)
        url_prefix = self.url_prefix or own.url_prefix or None
        admission = AppAdmission(app, self, own, has_key=bool(settings.jwt_key))
        node = Node(settings, self._registry, admission, AppEvents(app), own.event_queue)
        blueprint = Blueprint("signaling", __name__, url_prefix=url_prefix, static_folder="web/static")
        sock = Sock(app)
        for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
            sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(node.admit)
        blueprint.before_request(refuse_disguised_path)
        add_headers(blueprint, node.settings)
        if url_prefix:
            # The app answers unknown paths, not the blueprint.
            add_headers(app, node.settings, under=url_prefix.rstrip("/"))
        add_pages(blueprint, node)
        add_metrics(blueprint, node)
        add_ops(blueprint, node)
        app.register_blueprint(blueprint)
        app.extensions["signaling"] = node
        node.test_client = partial(SignalingClient, app)
        self._given_to = app


def _settings(app: Flask) -> tuple[Settings, ExtensionSettings]:
    configured = {name: value for name, value in app.config.items() if name.startswith(PREFIX)}
    if "SIGNALING" in app.config:
        raise SettingsError("SIGNALING: a name in the environment has two underscores behind SIGNALING; write one")
    environ: dict[str, Any] = {**os.environ, **configured}
    fields = (*Settings.__struct_fields__, *ExtensionSettings.__struct_fields__)
    for name, nearest in misspelled(environ, fields):
        # The app would run without a protection that its team believes in.
        similar = nearest in _PROTECTIONS and SequenceMatcher(None, name, nearest).ratio() > _SAME
        if similar or any(word in name for word in _PROTECTING_WORDS):
            raise SettingsError(f"{name} is not a setting; write {nearest}")
        log.warning("%s is not a setting: did you mean %s?", name, nearest)
    return Settings.load(environ), load(ExtensionSettings, environ)
