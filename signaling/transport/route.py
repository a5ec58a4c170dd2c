"""The WebSocket route. flask-sock declares it; the handshake and the connection are ours."""

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

from ..config import privacy
from ..config.logging import quoted
from ..protocol.codes import CloseCode
from . import dev_server, handshake
from .client_socket import decrypted
from .handshake import HandshakeError
from .pending import ConnectionHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

View = Callable[..., ConnectionHandler | Response]

ACCEPTED = "signaling.accepted"
"""The key of a function in a WSGI environment. A test gets the handler with it, and there is no WebSocket."""

SWITCHING = "101 Switching Protocols"
"""The status of the response that accepts a handshake."""


class Sock(flask_sock.Sock):  # type: ignore[misc]
    """flask-sock's extension, with the connection after the request instead of inside its view.

    flask-sock handles the WebSocket inside the view. Flask's contexts and frames then live as long as the WebSocket,
    and the server does not see the answer. Here the view only answers the handshake with an ordinary response:
    middleware, hooks and access logs see a 101. The connection begins after Flask has finished the request, teardown
    included. After that nothing can write HTTP to it.
    """

    def route(self, path: str, bp: Blueprint | None = None, **options: Any) -> Callable[[View], None]:
        """Return a decorator that declares a WebSocket route.

        Its view returns a :data:`~signaling.transport.pending.ConnectionHandler`, or a response that refuses the
        WebSocket.
        """

        def decorator(view: View) -> None:
            @wraps(view)
            def answer(*args: Any, **values: Any) -> Response:
                environ = request.environ
                if problem := _problem(environ):
                    return refuse(501, problem)
                handler = view(*args, **values)
                if isinstance(handler, Response):
                    return handler
                try:
                    headers = handshake.accept(environ)
                except HandshakeError as error:
                    # The reason may quote a header.
                    return refuse(error.status, str(error), "Bad WebSocket handshake.", **error.headers)
                response = _Switching(status=SWITCHING, headers=headers)
                sock = environ.get("gunicorn.socket")
                pending = getattr(sock, "bounds", None)
                if (accepted := environ.get(ACCEPTED)) is not None:
                    accepted(handler)
                elif pending is not None:
                    # Our worker calls it after it has released the request.
                    pending.handler = handler
                else:
                    response.handler = handler
                return response

            (bp or self.app).route(path, websocket=True, **options)(answer)

        return decorator


def _problem(environ: WSGIEnvironment) -> str | None:
    """Return why the server of this request cannot hold a WebSocket, or None if it can."""
    if dev_server.SOCKET in environ:
        return dev_server.problem(environ)
    if ACCEPTED in environ or isinstance(environ.get("gunicorn.socket"), gevent.socket.socket):
        return None
    if "gunicorn.socket" in environ:
        return "WebSockets need gevent workers: start gunicorn with -k signaling.worker.Worker or -k gevent."
    return "This server cannot hold WebSockets: use gunicorn with gevent workers, or flask run in development."


class _Switching(Response):
    """The response that accepts a handshake: an ordinary response without the headers of a body.

    Attributes:
        handler: is called while the server iterates over the body, as gunicorn's own gevent worker and Flask's
            development server need it.
    """

    default_mimetype = None
    handler: ConnectionHandler | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = self.headers.to_wsgi_list()
        start_response(self.status, headers)
        if self.handler is None:
            return _Body(iter(()), self.close)
        if dev_server.SOCKET not in environ:
            return _Body(_run(self.handler, environ), self.close)
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {self.status}", *map(": ".join, headers), ""))
        return _Body(dev_server.run(self.handler, environ, head.encode("latin-1")), self.close)


class _Body:
    """The body of an accepted handshake. It is empty, and lasts as long as the connection."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


def _run(handler: ConnectionHandler, environ: WSGIEnvironment) -> Iterator[bytes]:
    """Call ``handler`` with gunicorn's socket until the WebSocket has ended."""
    sock: gevent.socket.socket = environ["gunicorn.socket"]
    # The server sends the headers with the first piece of the body, even an empty one.
    yield b""
    try:
        connection = handler(sock, _read_ahead(environ) + decrypted(sock))
        try:
            connection.join()
        except BaseException:
            # The server kills this greenlet, or the app has left a timeout in it.
            connection.close(CloseCode.INTERNAL_ERROR)
            connection.join()
            raise
    finally:
        # Else gunicorn would wait for another request.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _read_ahead(environ: WSGIEnvironment) -> bytes:
    """Return the bytes that gunicorn read behind the head of the request: the first WebSocket frames."""
    unreader = getattr(getattr(environ.get("wsgi.input"), "reader", None), "unreader", None)
    return unreader.take_buffered() if unreader is not None else b""


def refuse(status: int, reason: str, private: str = "", **headers: str) -> Response:
    """Return the HTTP response that refuses a WebSocket, and log the refusal: ``private`` if privacy is on."""
    address = privacy.client((request.remote_addr or "").removeprefix("::ffff:"))
    words = (privacy.is_on() and private) or reason
    log.warning("Refused a WebSocket from %s: %d %s", address, status, quoted(words, sentence=True))
    return Response(reason + "\n", status, headers, mimetype="text/plain")
