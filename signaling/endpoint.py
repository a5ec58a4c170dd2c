"""The WebSocket route: flask-sock declares it, the handshake and what is behind it are ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import flask_sock
import gevent.socket
from flask import Blueprint, Flask, Response, request
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from .worker import Conversation, Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_UPGRADE = "signaling.upgrade"

# What an opening handshake is judged by. Extensions are not: none is ever agreed to.
_HEADERS = {
    "HTTP_" + header.upper().replace("-", "_"): header
    for header in (
        "Connection",
        "Upgrade",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
    )
}

View = Callable[..., Conversation | Response]


class Sock(flask_sock.Sock):  # type: ignore[misc]
    """flask-sock's extension with the conversation at the end of the request's work, not in the middle of it.

    The stock one talks inside the view, so that Flask's contexts and frames live as long as the WebSocket does. Here
    the view only answers the handshake; when Flask is done with the request, teardown included, :class:`Handover`
    sends the answer, and the conversation is held in the greenlet of the request. No HTTP can be written after that.
    """

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        app.wsgi_app = Handover(app.wsgi_app)  # type: ignore[method-assign]

    def route(self, path: str, bp: Blueprint | None = None, **options: Any) -> Callable[[View], None]:
        """Declare a WebSocket route.

        Its view returns the conversation to hold, a function of the gevent socket, or a response that refuses it.
        """

        def decorator(view: View) -> None:
            @wraps(view)
            def answer(*args: Any, **values: Any) -> Response:
                if not isinstance(request.environ.get("gunicorn.socket"), gevent.socket.socket):
                    return refuse(501, "WebSockets need gunicorn with gevent workers.")
                conversation = view(*args, **values)
                if isinstance(conversation, Response):
                    return conversation
                handshake = ServerProtocol(select_subprotocol=_first)
                accepted = _accept(handshake, request.environ)
                if isinstance(accepted, Response):
                    return accepted
                request.environ[_UPGRADE] = accepted, conversation
                return Response(status=101)

            (bp or self.app).route(path, websocket=True, **options)(answer)

        return decorator


class Handover:
    """The WSGI middleware that turns an accepted handshake into its conversation."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = self._app(environ, start_response)
        upgrade = environ.pop(_UPGRADE, None)
        if upgrade is None:
            return body
        if hasattr(body, "close"):
            body.close()
        accepted, conversation = upgrade
        sock = environ["gunicorn.socket"]
        environ.clear()
        sock.sendall(accepted)
        Worker.converse(sock, conversation)
        # gunicorn's gevent worker takes this as: it was answered already, close the socket.
        raise StopIteration


def refuse(status: int, reason: str, **headers: str) -> Response:
    """Return the HTTP response that refuses a WebSocket, after one line in the log."""
    address = (request.remote_addr or "a Unix socket").removeprefix("::ffff:")
    log.warning("Refused a WebSocket from %s: %d %s", address, status, reason)
    return Response(reason + "\n", status, headers, mimetype="text/plain")


def _accept(handshake: ServerProtocol, environ: WSGIEnvironment) -> bytes | Response:
    """Return the bytes that accept an opening handshake, or its refusal (RFC 6455, section 4.2)."""
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION", "13")
    if version != "13":
        return refuse(426, f"WebSocket version 13 is needed, not {version[:16]!r}.", **{"Sec-WebSocket-Version": "13"})
    if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
        return refuse(400, "Bad WebSocket handshake: it has a body.")
    headers = Headers((header, environ[name]) for name, header in _HEADERS.items() if name in environ)
    answer = handshake.accept(
        Request(environ["RAW_URI"], headers, environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"])
    )
    if answer.status_code != 101:
        return refuse(400, f"Bad WebSocket handshake: {handshake.handshake_exc}.")
    return answer.serialize()


def _first(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    # A browser that offers subprotocols gives up when none is chosen; this server is indifferent to them.
    return offered[0] if offered else None
