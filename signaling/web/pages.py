"""The HTTP besides the WebSocket: the call page, the text for monitors, ICE servers, and the health of the service."""

from __future__ import annotations

import secrets
import time
from operator import attrgetter
from typing import Any

from flask import Blueprint, Response, abort, request

from ..node.node import Node
from ..process.threads import in_plain_thread
from ..protocol.codes import ErrorCode
from ..protocol.errors import MessageError
from ..rooms.ice import ice_servers
from ..security.credentials import bearer_token
from ..transport.route import refuse

BANNER = "WebRTC Signaling Server Running"

REJECTION_CODES = {
    "draining": "restarting",
    "workers": "server-misconfigured",
    "origin": "origin-refused",
    "full": "server-full",
    "address": "address-limited",
}
"""The code for browsers, by the reasons of :data:`signaling.telemetry.stats.REASONS`."""

_NO_UPGRADE = "Bad WebSocket handshake: missing 'Connection: Upgrade'."


def refuse_disguised_path() -> None:
    """Refuse a path that is written unlike its route, such as ``//healthz`` or ``/%68ealthz``.

    The rules of a proxy compare the written path, so no other path may lead to the same page.

    Raises:
        werkzeug.exceptions.NotFound: the path is written unlike its route.
    """
    written = request.environ.get("RAW_URI", "").partition("?")[0]
    # A proxy may send the whole URL (RFC 9112, section 3.2.2).
    if "://" in written:
        written = "/" + written.partition("://")[2].partition("/")[2]
    if written and written != request.root_path + request.path:
        abort(404)


def _wants_websocket() -> bool:
    # A request that also has `Connection: Upgrade` goes to the route of the WebSocket.
    return request.headers.get("Upgrade", "").lower() == "websocket"


def add_pages(blueprint: Blueprint, node: Node) -> None:
    """Add ``/``, the browser client, ``/ws`` for plain HTTP, ``/ice-servers`` and ``/healthz``."""

    @blueprint.post("/")
    @blueprint.post("/ws")
    def explain_rejection() -> tuple[dict[str, Any] | str, int, dict[str, str]]:
        """Answer a page why its WebSocket was refused. A browser shows no status of it, but sends ``Origin`` here."""
        # Pages of other origins may read the answer. Above all, refused origins need it.
        headers = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
        rejection = node.rejection(node.client_address(), count=False)
        if rejection is None:
            return "", 204, headers
        answer = {"code": REJECTION_CODES[rejection.reason], "message": rejection.words}
        return answer, rejection.status, headers | rejection.headers

    @blueprint.get("/")
    def index() -> Response:
        if _wants_websocket():
            return refuse(400, _NO_UPGRADE)
        # The parser of werkzeug needs a time that grows with the square of the length.
        if "text/html" in request.headers.get("Accept", "").lower():
            response = blueprint.send_static_file("page/index.html")
        else:
            response = Response(BANNER + "\n", mimetype="text/plain")
        response.vary.add("Accept")
        return response

    @blueprint.get("/static/<name>.js")
    def client_module(name: str) -> Response:
        # The public address of the browser client is /static/client.js. Its modules import each other from there.
        return blueprint.send_static_file(f"client/{name}.js")

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

    @blueprint.get("/healthz")
    def healthz() -> tuple[dict[str, Any], int]:
        if node.shared is not None and not in_plain_thread():
            # A gunicorn configuration without our hooks has not started it. Load balancers wait for it to be up.
            node.shared.redis.start()
        return health(node)


def health(node: Node) -> tuple[dict[str, Any], int]:
    """Return the health of the service, and its HTTP status: 200 if new clients may come, otherwise 503."""
    own = node.info()
    draining, cluster = own.draining, node.cluster
    content: dict[str, Any] = {
        "status": "draining" if draining else "ok",
        "version": own.version,
        "uptime": round(time.monotonic() - node.started, 3),
        "connections": own.connections,
        "rooms": own.rooms,
    }
    if cluster is not None:
        nodes = sorted([own, *cluster.nodes().values()], key=attrgetter("name"))
        content |= {
            "connections": sum(node.connections for node in nodes),
            "rooms": sum(node.rooms for node in nodes),
            "redis": cluster.redis,
            "node": own.name,
            "nodes": [node.to_json(time.time()) for node in nodes],
        }
        if not draining and cluster.redis == "down":
            # The server refuses joins while Redis is down.
            content["status"] = "unavailable"
    return content, 200 if content["status"] == "ok" else 503
