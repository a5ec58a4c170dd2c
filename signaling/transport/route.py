"""The WebSocket route: flask-sock declares it, the handshake and what is behind it are ours."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import flask_sock
import gevent.socket
from flask import Blueprint, Response, request

from ..config.logging import quoted
from . import handshake
from .client_socket import decrypted
from .handshake import HandshakeError
from .pending import ConnectionHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

View = Callable[..., ConnectionHandler | Response]

_SWITCHING = "101 Switching Protocols"


class Sock(flask_sock.Sock):  # type: ignore[misc]
    """flask-sock's extension with the conversation at the end of the request's work, not in the middle of it.

    The stock one talks inside the view, so that Flask's contexts and frames live as long as the WebSocket does, and
    answers behind the back of the server. Here the view only answers the handshake, with a response like any other:
    middleware, hooks and access logs see a 101. The conversation begins when Flask is done with the request, teardown
    included. No HTTP can be written after that.
    """

    def route(self, path: str, bp: Blueprint | None = None, **options: Any) -> Callable[[View], None]:
        """Declare a WebSocket route.

        Its view returns the conversation to hold, a function of the gevent socket and of the bytes that came right
        behind the handshake, or a response that refuses it.
        """

        def decorator(view: View) -> None:
            @wraps(view)
            def answer(*args: Any, **values: Any) -> Response:
                environ = request.environ
                sock = environ.get("gunicorn.socket")
                if not isinstance(sock, gevent.socket.socket):
                    return refuse(501, "WebSockets need gunicorn with gevent workers.")
                handler = view(*args, **values)
                if isinstance(handler, Response):
                    return handler
                try:
                    headers = handshake.accept(environ)
                except HandshakeError as error:
                    return refuse(error.status, str(error), **error.headers)
                response = _Switching(status=_SWITCHING, headers=headers)
                pending = getattr(sock, "bounds", None)
                if pending is not None:
                    # Our worker holds it when it has let go of the request.
                    pending.handler = handler
                else:
                    response.hold(handler, sock)
                return response

            (bp or self.app).route(path, websocket=True, **options)(answer)

        return decorator


class _Switching(Response):
    """The response that accepts a handshake.

    It is a response like any other to whoever looks at it on its way, without the headers of a body that it has not.
    """

    default_mimetype = None
    _held: tuple[ConnectionHandler, gevent.socket.socket] | None = None

    def hold(self, handler: ConnectionHandler, sock: gevent.socket.socket) -> None:
        """Hold the conversation while the server asks for the body: so it is under gunicorn's own gevent worker."""
        self._held = handler, sock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self.status, self.headers.to_wsgi_list())
        return _Body(self._held, environ, self.close)


class _Body:
    """The body of an accepted handshake: there is none, but a conversation may take its time."""

    def __init__(
        self,
        held: tuple[ConnectionHandler, gevent.socket.socket] | None,
        environ: WSGIEnvironment,
        close: Callable[[], None],
    ) -> None:
        self._held = held
        self._environ = environ
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        if self._held is None:
            return
        handler, sock = self._held
        # With the first piece of the body, were it empty, the server sends the headers.
        yield b""
        try:
            handler(sock, _read_ahead(self._environ) + decrypted(sock))
        finally:
            # Or gunicorn would wait for the next request.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _read_ahead(environ: WSGIEnvironment) -> bytes:
    """Return what gunicorn read behind the head of the request, which is nobody's body."""
    unreader = getattr(getattr(environ.get("wsgi.input"), "reader", None), "unreader", None)
    return unreader.take_buffered() if unreader is not None else b""


def refuse(status: int, reason: str, **headers: str) -> Response:
    """Return the HTTP response that refuses a WebSocket, after one line in the log."""
    address = (request.remote_addr or "a Unix socket").removeprefix("::ffff:")
    log.warning("Refused a WebSocket from %s: %d %s", address, status, quoted(reason, sentence=True))
    return Response(reason + "\n", status, headers, mimetype="text/plain")
