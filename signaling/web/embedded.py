"""The service inside an app: its node, and its routes."""

from __future__ import annotations

from flask import Blueprint, Flask

from ..config.extension_settings import ExtensionSettings
from ..config.settings import Settings
from ..node.node import Node
from ..rooms.registry import Registry
from ..transport.route import Sock
from .api import add_api
from .app_admission import AppAdmission, Hooks
from .app_events import AppEvents
from .headers import add_headers
from .metrics import add_metrics
from .ops import add_ops
from .pages import add_pages, refuse_disguised_path
from .tags import TEMPLATES


def make_node(
    app: Flask, hooks: Hooks, settings: Settings, own: ExtensionSettings, registry: Registry | None = None
) -> Node:
    """Return the node of ``app``, with the rules that ``hooks`` gives.

    Raises:
        signaling.config.env.SettingsError: a setting cannot be used.
    """
    admission = AppAdmission(app, hooks, own, has_key=bool(settings.jwt_key))
    return Node(settings, registry, admission, AppEvents(app), own.event_queue)


def add_routes(app: Flask, node: Node, url_prefix: str | None, *, show_page: bool) -> None:
    """Add the routes of ``node`` to ``app``."""
    blueprint = Blueprint(
        "signaling", __package__ or "", url_prefix=url_prefix, static_folder="static", template_folder=TEMPLATES
    )
    sock = Sock(app)
    for path, endpoint in (("/", "websocket"), ("/ws", "websocket_alias")):
        sock.route(path, bp=blueprint, endpoint=endpoint, strict_slashes=False)(node.admit)
    blueprint.before_request(refuse_disguised_path)
    add_headers(blueprint, node.settings)
    if url_prefix:
        # The app answers unknown paths, not the blueprint.
        add_headers(app, node.settings, under=url_prefix.rstrip("/"))
    add_pages(blueprint, node, show_page=show_page)
    add_metrics(blueprint, node)
    add_ops(blueprint, node)
    add_api(blueprint, node)
    app.register_blueprint(blueprint)
