"""The service inside an app: its node, and its routes."""

from __future__ import annotations

from flask import Flask

from ..config.app_config import AppConfig
from ..node.node import Node
from ..rooms.registry import Registry
from ..transport.route import Sock
from .api import add_api
from .app_admission import AppAdmission
from .app_events import AppEvents
from .blueprint import SignalingBlueprint, add_guards
from .callbacks import AppCallbacks
from .headers import add_headers
from .metrics import add_metrics
from .ops import add_ops
from .pages import add_pages
from .settings_watch import SettingsWatch
from .static_files import add_static_files
from .tags import TEMPLATES


def make_node(
    app: Flask, config: AppConfig, watch: SettingsWatch, callbacks: AppCallbacks, registry: Registry | None
) -> Node:
    """Return the node of an instance in ``app``.

    Args:
        app: the app.
        config: the settings of the instance.
        watch: the watch over settings that come too late.
        callbacks: the functions that decide who may join.
        registry: the rooms, in place of those that the settings ask for.

    Raises:
        signaling.config.env.SettingsError: a setting cannot be used.
    """
    admission = AppAdmission(app, callbacks, config.own, watch, has_key=bool(config.settings.jwt_key))
    return Node(config.settings, registry, admission, AppEvents(app), config.own.event_queue)


def add_routes(app: Flask, name: str, node: Node, url_prefix: str, *, show_page: bool) -> None:
    """Add the routes of the instance ``name`` to ``app``, under ``url_prefix``, which may be empty."""
    blueprint = SignalingBlueprint(
        name,
        __package__ or "",
        url_prefix=url_prefix or None,
        static_folder="static",
        template_folder=TEMPLATES,
    )
    sock = Sock(app)
    for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
        sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(node.admit)
    add_guards(blueprint, app, node)
    add_headers(blueprint, node.settings)
    if url_prefix:
        # The app answers unknown paths, not the blueprint.
        add_headers(app, node.settings, under=url_prefix.rstrip("/"))
    add_pages(blueprint, node, show_page=show_page)
    add_static_files(blueprint, app)
    add_metrics(blueprint, node)
    add_ops(blueprint, node)
    add_api(blueprint, node)
    app.register_blueprint(blueprint)
