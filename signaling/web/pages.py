"""The HTTP besides the WebSocket: the call page, the text for monitors, ICE servers, and the health of the service."""

from __future__ import annotations

import secrets
import time
from operator import attrgetter
from typing import Any

from flask import Blueprint, Response, abort, current_app, make_response, render_template, request
from jinja2 import TemplateNotFound

from ..node.info import NodeInfo
from ..node.node import Node
from ..process.threads import in_plain_thread
from ..protocol.codes import ErrorCode
from ..protocol.errors import MessageError
from ..rooms.ice import ice_servers
from ..security.credentials import bearer_token
from ..security.operator import OperatorAuth
from ..transport.route import refuse
from .blueprint import is_call_page

TEMPLATE = "signaling/call.html"
"""The template of an app that replaces the call page."""

BANNER = "WebRTC Signaling Server Running"

REJECTION_CODES = {
    "draining": "restarting",
    "workers": "server-misconfigured",
    "settings": "server-misconfigured",
    "origin": "origin-refused",
    "full": "server-full",
    "address": "address-limited",
}
"""The code for browsers, by the reasons of :data:`signaling.telemetry.stats.REASONS`."""

_NO_UPGRADE = "Bad WebSocket handshake: missing 'Connection: Upgrade'."


def _wants_websocket() -> bool:
    # A request that also has `Connection: Upgrade` goes to the route of the WebSocket.
    return request.headers.get("Upgrade", "").lower() == "websocket"


def add_pages(blueprint: Blueprint, node: Node, *, show_page: bool = True) -> None:
    """Add ``/``, the browser client, ``/ws`` for plain HTTP, ``/ice-servers`` and ``/healthz``.

    Without ``show_page``, there is no call page. Without a prefix as well, ``/`` is left to the app, apart from the
    WebSocket.
    """
    has_root = show_page or bool(blueprint.url_prefix)
    call_page = CallPage(blueprint)

    @blueprint.post("/ws")
    def explain_rejection() -> tuple[dict[str, Any] | str, int, dict[str, str]]:
        """Answer a page why its WebSocket was refused. A browser shows no status of it, but sends ``Origin`` here."""
        # Pages of other origins may read the answer. Above all, refused origins need it.
        headers = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
        rejection = node.rejection()
        if rejection is None:
            return "", 204, headers
        answer = {"code": REJECTION_CODES[rejection.reason], "message": rejection.words}
        return answer, rejection.status, headers | rejection.headers

    def index() -> Response:
        if _wants_websocket():
            return refuse(400, _NO_UPGRADE)
        if not show_page:
            abort(404)
        response = call_page.respond() if is_call_page() else Response(BANNER + "\n", mimetype="text/plain")
        response.vary.add("Accept")
        return response

    if has_root:
        blueprint.post("/")(explain_rejection)
        blueprint.get("/")(index)

    @blueprint.get("/ws")
    def websocket_only() -> Response:
        if _wants_websocket():
            return refuse(400, _NO_UPGRADE)
        return Response(
            "This is a WebSocket endpoint.\n",
            426,
            {"Upgrade": "websocket", "Connection": "Upgrade"},
            mimetype="text/plain",
        )

    @blueprint.get("/ice-servers")
    def ice_servers_page() -> tuple[dict[str, Any], int, dict[str, str]]:
        headers = {"Cache-Control": "no-store"}
        verifier = node.context.verifier
        if verifier is not None:
            token = bearer_token(request.headers.get("Authorization", "")) or ""
            try:
                verifier.verify(token)
            except MessageError as error:
                # RFC 6750, section 3.1
                headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if token else "Bearer"
                return {"code": error.code, "message": str(error)}, 401, headers
        if (refusal := node.identify().refusal) is not None:
            unavailable = refusal.code == ErrorCode.UNAVAILABLE
            status = 503 if unavailable else 403
            return {"code": refusal.code, "message": str(refusal)}, status, headers
        # The user name of TURN is visible on the network, so it is random and new for each request.
        servers = ice_servers(node.settings, secrets.token_hex(8), time.time())
        return {"iceServers": servers}, 200, headers

    operators = OperatorAuth(node.settings, "ops_token", "metrics_token", passwords=True)

    @blueprint.get("/healthz")
    def healthz() -> tuple[dict[str, Any], int]:
        if node.shared is not None and not in_plain_thread():
            # A gunicorn configuration without our hooks has not started it. Load balancers wait for it to be up.
            node.shared.redis.start()
        return health(node, details=operators.is_operator(node.client_address()))


class CallPage:
    """The call page: the static file, or the app's own template ``signaling/call.html``, which can extend ours."""

    def __init__(self, blueprint: Blueprint) -> None:
        """Serve the page of ``blueprint``."""
        self._blueprint = blueprint
        self._has_template: bool | None = None

    def respond(self) -> Response:
        """Return the page."""
        # The search looks into every folder of templates.
        if self._has_template is None or current_app.debug:
            self._has_template = self._find_template()
        if not self._has_template:
            return self._blueprint.send_static_file("page/index.html")
        response = make_response(render_template(TEMPLATE))
        # It may name the user. As with the static page, a browser asks whether it changed.
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    @staticmethod
    def _find_template() -> bool:
        try:
            current_app.jinja_env.get_template(TEMPLATE)
        except TemplateNotFound as error:
            # The template is there, and extends one that is not.
            if error.name != TEMPLATE:
                raise
            return False
        return True


def health(node: Node, *, details: bool) -> tuple[dict[str, Any], int]:
    """Return the health of the service, and its HTTP status: 200 if new clients may come, otherwise 503.

    Args:
        node: the node that answers.
        details: whether to say what runs: the version, the release and the digest of the settings.
    """

    def deployed(info: NodeInfo) -> dict[str, str]:
        return info.deployed if details else {}

    own = node.info()
    draining, cluster = own.draining, node.cluster
    content: dict[str, Any] = {
        "status": "draining" if draining else "ok",
        "uptime": round(time.monotonic() - node.started, 3),
        "connections": own.connections,
        "rooms": own.rooms,
        **deployed(own),
    }
    if cluster is not None:
        nodes = sorted([own, *cluster.nodes().values()], key=attrgetter("name"))
        content |= {
            "connections": sum(node.connections for node in nodes),
            "rooms": sum(node.rooms for node in nodes),
            "redis": cluster.redis,
            "node": own.name,
            "nodes": [node.to_json(time.time()) | deployed(node) for node in nodes],
        }
        if not draining and cluster.redis == "down":
            # The server refuses joins while Redis is down.
            content["status"] = "unavailable"
    return content, 200 if content["status"] == "ok" else 503
