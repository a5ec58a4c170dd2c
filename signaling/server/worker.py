"""gunicorn's gevent worker, with limits on everything that an unknown client can cause.

A WebSocket lives for hours, so its handler runs after the request is released. In gunicorn's own worker it would keep
the request alive, and the stack frames of the request, which gevent copies at each switch.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import gevent
from gevent import GreenletExit
from gunicorn.http import Request, get_parser
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import (  # type: ignore[attr-defined]
    ExpectationFailed,
    ForbiddenProxyRequest,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.sock import ssl_context
from gunicorn.systemd import sd_notify
from gunicorn.workers.ggevent import GeventWorker

from ..config import privacy
from ..config.settings import Settings
from ..security.client_ip import TrustedProxies, plain, rate_limit_key
from ..transport.client_socket import ClientSocket, TlsClientSocket, decrypted
from ..transport.greenlet_pool import GreenletPool
from ..transport.listener import Listener
from ..transport.open_sockets import OpenSockets
from ..transport.pending import HeadTooLongError, Pending, Phase
from ..transport.pending_connections import SPARE_PER_ADDRESS, SPARE_PLACES, PendingConnections
from ..web.headers import standard_headers
from .handshake_request import HEAD_BYTES, Answer, HandshakeParser, Head

MAX_REQUESTS_PER_CONNECTION = 1_000
"""Requests that a client may send over one connection. After the last answer the server closes it."""

_MAX_IDLE = 100
"""Greenlets that stay to serve more connections, of some 8 KiB each."""

_END_POLL_SECONDS = 0.05

# The time that greenlets have to end after they are killed.
_KILL_SECONDS = 1.0


class _Request(Request):  # type: ignore[misc, unused-ignore]
    """gunicorn's request, whose answer announces the end of the connection if no request can follow."""

    def should_close(self) -> bool:
        return bool(super().should_close()) or not _is_finished(self)


class Worker(GeventWorker):  # type: ignore[misc, unused-ignore]
    """The worker class of ``gunicorn.conf.py``."""

    def init_process(self) -> None:
        """Set up the process of the worker, and serve."""
        # gunicorn reads a setting 28 times a request, each time with a failed lookup and two calls: 2 to 8 % of a
        # connect and join. In a worker the settings no longer change.
        vars(self.cfg).update({name: setting.get() for name, setting in self.cfg.settings.items()})
        settings = self._settings = Settings.load(os.environ)
        per_address = settings.connections_per_ip
        self.pendings = PendingConnections(
            places=min(SPARE_PLACES, self.worker_connections),
            seconds=settings.handshake_timeout,
            max_head_bytes=settings.max_head_bytes,
            per_address=per_address + SPARE_PER_ADDRESS if per_address else 0,
            exempt=TrustedProxies(settings.trusted_proxies).trusts,
        )
        self._handshakes = HandshakeParser(self.cfg)
        if not self.cfg.accesslog:
            # Since the log has a configuration of its own, gunicorn would format a line for each request all the same.
            # That is a tenth of a connect and join.
            self.log.access = _discard  # type: ignore[method-assign, assignment, unused-ignore]
        self._open = OpenSockets()
        super().init_process()

    def run(self) -> None:
        """Serve until the worker has to stop."""
        context = ssl_context(self.cfg) if self.cfg.is_ssl else None
        greenlets = GreenletPool(_MAX_IDLE)
        listeners = [
            Listener(sock, self._serve, self.pendings, greenlets, _address_key, context) for sock in self.sockets
        ]
        for listener in listeners:
            if self.cfg.workers > 1:
                # With gevent's default of a hundred, one worker would take the connections of all.
                listener.max_accept = 1
            listener.start()
        while self.alive:
            self.notify()
            gevent.sleep(1.0)
        for listener in listeners:
            listener.close()
        if self._have_ended(greenlets, self.cfg.graceful_timeout):
            return
        self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
        self._open.kill()
        greenlets.kill()
        self._have_ended(greenlets, _KILL_SECONDS)

    def _have_ended(self, greenlets: GreenletPool, seconds: float) -> bool:
        """Wait until all connections have ended, up to ``seconds``, and return whether they have."""
        limit = time.monotonic() + seconds
        # A connection has a place before its greenlet begins, and its greenlet may go on after it has left the place.
        while self.pendings or greenlets or self._open:
            if time.monotonic() > limit:
                return False
            self.notify()
            gevent.sleep(_END_POLL_SECONDS)
        return True

    def notify(self) -> None:
        """Report to the master, and to systemd's watchdog if there is one, that the event loop runs."""
        super().notify()
        if "WATCHDOG_USEC" in os.environ:
            sd_notify("WATCHDOG=1", self.log)

    def close_idle(self) -> None:
        """Close the connections without a request under way. Does not wait."""
        self.pendings.close_idle()

    def _serve(self, client: ClientSocket | TlsClientSocket, address: Any, pending: Pending) -> None:
        """Serve one connection: its requests, and then the WebSocket if the last request asked for one."""
        read_ahead = self._serve_requests(client, address, pending)
        handler, pending.handler = pending.handler, None
        # An error after the answer has closed the socket.
        if pending.switched and handler is not None and client.fileno() != -1:
            self._open.add(handler(client, read_ahead + decrypted(client)))
            client.release()

    def _serve_requests(self, client: ClientSocket | TlsClientSocket, address: Any, pending: Pending) -> bytes:
        """Serve the requests, and return the bytes that the client sent behind the last one."""
        parser: Any = None
        server = client.getsockname()
        data = b""
        request: Any = None
        proxy: Any = {}
        try:
            for number in range(MAX_REQUESTS_PER_CONNECTION):
                if number:
                    if not self.alive:
                        break
                    # The next request may be in the buffer already, so that no read would yield.
                    pending.acquire_share()
                pending.begin(Phase.HEAD)
                request = None
                if parser is None:
                    if self._handshakes.usable and isinstance(address, tuple):
                        data = client.recv(HEAD_BYTES)
                        if (head := self._handshakes.parse(data)) is not None:
                            pending.check_head(head.size)
                            pending.begin(Phase.REQUEST)
                            self._serve_handshake(head, data, client, address, server)
                            return data[head.size :]
                    parser = self._parser(client, address, data)
                buffered = _buffered(parser) if number else 0
                request = next(parser)
                pending.check_head(buffered + pending.head_bytes - _buffered(parser))
                proxy = request.proxy_protocol_info = request.proxy_protocol_info or proxy
                pending.begin(Phase.REQUEST)
                self.handle_request(server, request, client, address)
                if pending.switched or not _is_finished(request):
                    break
        except (StopIteration, NoMoreData):
            # The connection ends after a request, or the client ended it within one.
            pass
        except OSError:
            raise
        except Exception as error:
            self.handle_error(request, client, address, error)
        return b"" if parser is None else parser.unreader.take_buffered()

    def _parser(self, client: ClientSocket | TlsClientSocket, address: Any, data: bytes) -> Any:
        """Return gunicorn's parser of the requests of a connection; ``data`` was read from it."""
        parser = get_parser(self.cfg, client, address)
        parser.mesg_class = _Request  # type: ignore[misc, unused-ignore]
        parser.unreader.unread(data)
        return parser

    def _serve_handshake(
        self, head: Head, data: bytes, client: ClientSocket | TlsClientSocket, address: Any, server: Any
    ) -> None:
        """Serve the request of an ordinary handshake as :meth:`handle_request` would."""
        answer = Answer(self.cfg, client, partial(self._parser, client, address, data))
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        environ = self._handshakes.environ(head, client, address, server)
        try:
            pieces: Any = self.wsgi(environ, answer.start_response)  # type: ignore[arg-type, unused-ignore]
            try:
                for piece in pieces:
                    answer.write(piece)
                answer.close()
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
        except (OSError, StopIteration):
            raise
        except Exception as error:
            if answer.begun:
                self.log.exception("Error handling request")
                client.close()
            else:
                self.handle_error(answer.request, client, address, error)
        except (GreenletExit, SystemExit):
            # As in gunicorn's gevent worker.
            pass

    def handle_error(self, request: Any, client: Any, address: Any, error: BaseException) -> None:
        """Answer a request that cannot be served. The log gets only the path of the client's text."""
        if client.bounds is not None:
            # A new phase, with time for the answer.
            client.bounds.begin(Phase.REQUEST)
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        reason = HTTPStatus(status).phrase
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            target = (request.method, request.uri) if getattr(request, "uri", None) else ("", "without a target")
            self.log.error("Error handling request %s %s", *target, exc_info=error)
        else:
            host = privacy.client((plain(address[0]) or "") if isinstance(address, tuple) else "")
            self.log.warning("Invalid request from %s: %d %s, %s", host, status, reason, type(error).__name__)
        fields = {
            "Connection": "close",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(reason) + 1),
            **standard_headers(self._settings, secure=self.cfg.is_ssl),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with suppress(OSError):
            client.sendall(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n{reason}\n".encode("latin-1"))


def _discard(*_: object) -> None:
    pass


_STATUS: dict[type[BaseException], int] = {
    HeadTooLongError: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    ForbiddenProxyRequest: HTTPStatus.FORBIDDEN,
    # The error is in the app or the configuration.
    InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,
    InvalidResponseHeaderName: HTTPStatus.INTERNAL_SERVER_ERROR,
    ParseException: HTTPStatus.BAD_REQUEST,
}


def _address_key(address: Any) -> str:
    """Return the key that an address is limited by, empty on a Unix socket."""
    ip = plain(address[0]) if isinstance(address, tuple) else None
    return rate_limit_key(ip) if ip else ""


def _buffered(parser: Any) -> int:
    """Return the number of bytes that were read and not used yet."""
    return len(parser.unreader.buf.getbuffer())


def _is_finished(request: Any) -> bool:
    """Return whether another request may follow: the body is complete, and no WebSocket was requested."""
    if any(name == "UPGRADE" and "websocket" in value.lower() for name, value in request.headers):
        return False
    reader = request.body.reader
    if isinstance(reader, LengthReader):
        return bool(reader.length == 0)
    return isinstance(reader, ChunkedReader) and reader.parser is None
