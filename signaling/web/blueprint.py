"""The blueprint of an instance, and whose request the current one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, abort, current_app, request

from .written_path import written_path

if TYPE_CHECKING:
    from ..node.node import Node

_EXPLAINS_ITSELF = {"websocket", "websocket_alias", "explain_rejection", "static", "static_file", "client_module"}
"""The endpoints that serve as always if a setting is wrong: they tell a browser that it gets no WebSocket."""


class SignalingBlueprint(Blueprint):
    """The routes of one instance in one app."""


def owns_request(*, page: bool = True) -> bool:
    """Return whether the current request is for a route of this extension.

    Use it in a ``before_request`` of your app that redirects who is not logged in. A browser cannot see a redirect of a
    WebSocket, nor can a load balancer see one of ``/healthz``.

    Args:
        page: whether the call page counts too. With False, your login stands before it like before your own pages.

    Raises:
        RuntimeError: there is no request.
    """
    if not isinstance(current_app.blueprints.get(request.blueprint or ""), SignalingBlueprint):
        return False
    return page or not is_call_page()


def is_call_page() -> bool:
    """Return whether the current request is for the call page, and not for the text that monitors get."""
    # The parser of werkzeug needs a time that grows with the square of the length.
    wants_html = "text/html" in request.headers.get("Accept", "").lower()
    return (request.endpoint or "").endswith(".index") and request.method in ("GET", "HEAD") and wants_html


def add_guards(blueprint: Blueprint, app: Flask, node: Node) -> None:
    """Check each request before the app's own ``before_request`` functions do."""
    exempted = False

    # Flask calls this before any function of ``before_request``.
    @blueprint.url_value_preprocessor
    def prepare(endpoint: str | None, _: dict[str, Any] | None) -> None:
        nonlocal exempted
        if not exempted:
            # Flask-WTF may come after this extension. No route of ours acts for the user of a cookie.
            exempted = True
            csrf: Any = app.extensions.get("csrf")
            if hasattr(csrf, "exempt"):
                csrf.exempt(blueprint)
        rejection = node.gate.misconfiguration()
        view = (endpoint or "").rpartition(".")[2]
        if rejection is not None and view not in _EXPLAINS_ITSELF and not is_call_page():
            abort(rejection.status, rejection.words)

    @blueprint.before_request
    def refuse_disguised_path() -> None:
        """Refuse a path that is written unlike its route, such as ``//healthz`` or ``/%68ealthz``.

        The rules of a proxy compare the written path, so no other path may lead to the same page.
        """
        written = written_path()
        # An id in a path of the API may have any character. The API compares the rest of the path itself.
        is_api = (request.endpoint or "").rpartition(".")[2] == "api"
        if written and written != request.root_path + request.path and not is_api:
            abort(404)
