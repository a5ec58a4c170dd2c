"""The WebSocket route: flask-sock declares it, the handshake and what is behind it are ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import flask_sock
import gevent.socket
from flask import Blueprint, Flask, Response, request
from werkzeug.wsgi import ClosingIterator

from . import handshake
from .handshake import HandshakeError
from .logs import quoted
from .worker import Conversation, Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_UPGRADE = "signaling.upgrade"

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
                environ = request.environ
                if not isinstance(environ.get("gunicorn.socket"), gevent.socket.socket):
                    return refuse(501, "WebSockets need gunicorn with gevent workers.")
                conversation = view(*args, **values)
                if isinstance(conversation, Response):
                    return conversation
                try:
                    accepted = handshake.accept(environ)
                except HandshakeError as error:
                    return refuse(error.status, str(error), **error.headers)
                environ[_UPGRADE] = accepted, conversation
                return _Switching()

            (bp or self.app).route(path, websocket=True, **options)(answer)

        return decorator


class _Switching(Response):
    """The response of an accepted handshake, whose bytes :class:`Handover` sends.

    It is a response like any other to whoever looks at it on its way, without the headers of a body that it has not.
    """

    default_status = 101
    default_mimetype = None

    def __call__(self, _: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self.status, self.headers.to_wsgi_list())
        return ClosingIterator((), self.close)


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
    log.warning("Refused a WebSocket from %s: %d %s", address, status, quoted(reason, sentence=True))
    return Response(reason + "\n", status, headers, mimetype="text/plain")
