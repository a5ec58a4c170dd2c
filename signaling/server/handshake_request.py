"""The request of an ordinary opening handshake, parsed and answered without gunicorn's code.

This is a fast path: gunicorn takes six times as long. gunicorn handles every other request, and sends each answer that
refuses a WebSocket. An app cannot tell the paths apart, since its WSGI environment is the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response, base_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from gunicorn.config import Config
    from gunicorn.http import Request

HEAD_BYTES = 8_192
"""Bytes of the longest head on the fast path. gunicorn reads as many at once."""

# A target in origin form, without escapes in its path (RFC 9112, section 3.2.1); no folded header, no odd name.
_is_head = re.compile(
    rb"GET (/(?!/)[!$&->@-~]*(?:\?[!-\"$-~]*)?) HTTP/1\.1\r\n((?:[0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
).match

# The head of an answer that accepts a WebSocket.
_is_answer = re.compile(
    r"HTTP/1\.1 101 [ -~]+\r\n(?:(?:Upgrade|Connection|Sec-WebSocket-Accept): [!-~]+\r\n)+\r\n"
).fullmatch

# gunicorn acts on these headers.
_ACTED_ON = ("CONTENT-LENGTH", "CONTENT-TYPE", "TRANSFER-ENCODING", "EXPECT")

# Settings of gunicorn that the fast path does not know, unless they have their defaults.
_UNKNOWN = ("accesslog", "pre_request", "post_request", "protocol", "proxy_protocol", "limit_request_field_size")


def _key(name: str) -> str:
    """Return the name of a header in a WSGI environment."""
    return "HTTP_" + name.upper().replace("-", "_")


# The names as browsers write them.
_KEYS = {
    name: _key(name)
    for name in (
        *("Host", "Connection", "Pragma", "Cache-Control", "User-Agent", "Upgrade", "Origin", "Cookie"),
        *("Sec-WebSocket-Version", "Sec-WebSocket-Key", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"),
        *("Accept", "Accept-Encoding", "Accept-Language", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site"),
    )
}


class Head(NamedTuple):
    """The head of a request."""

    target: str
    headers: dict[str, str]
    """The values by their names in a WSGI environment."""
    size: int
    """The number of its bytes."""


class HandshakeParser:
    """Parses the ordinary handshakes of one worker.

    Attributes:
        usable: whether gunicorn's configuration allows it.
    """

    def __init__(self, cfg: Config) -> None:
        """Read the configuration of gunicorn."""
        is_default = (cfg.settings[name].get() == cfg.settings[name].default for name in _UNKNOWN)
        self.usable = all(is_default) and not os.environ.get("SCRIPT_NAME")
        self._refused = {_key(name) for name in (*_ACTED_ON, *cfg.secure_scheme_headers)}
        self._max_target = (cfg.limit_request_line or HEAD_BYTES) - len("GET  HTTP/1.1")
        self._max_fields = cfg.limit_request_fields
        self._environ = {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }

    def parse(self, data: bytes) -> Head | None:
        """Return the head of an ordinary handshake, or None for any other request."""
        found = _is_head(data)
        if found is None:
            return None
        target, lines = found[1].decode(), found[2].decode("latin-1").split("\r\n")
        # There is nothing behind the last line break.
        lines.pop()
        if len(target) > self._max_target or len(lines) > self._max_fields:
            return None
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = _KEYS.get(name) or _key(name)
            if key in headers or key in self._refused:
                return None
            headers[key] = value.strip(" \t")
        if headers.get("HTTP_UPGRADE") != "websocket":
            return None
        return Head(target, headers, found.end())

    def environ(self, head: Head, client: Any, address: tuple[Any, ...], server: tuple[Any, ...]) -> WSGIEnvironment:
        """Return the WSGI environment of a request.

        Args:
            head: the head of the request.
            client: its socket.
            address: the address of the client.
            server: the address at which the client has reached the worker.
        """
        path, _, query = head.target.partition("?")
        return {
            **self._environ,
            **head.headers,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "RAW_URI": head.target,
            "REMOTE_ADDR": address[0],
            "REMOTE_PORT": str(address[1]),
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "gunicorn.socket": client,
            "wsgi.input": Body(LengthReader(_no_body, 0)),
        }


_no_body = IterUnreader(())


class Answer:
    """The answer to the request: written at once if it accepts the WebSocket, otherwise by a response of gunicorn.

    Attributes:
        begun: whether a part of it was sent.
    """

    __slots__ = ("_cfg", "_client", "_head", "_parser", "_request", "_response", "begun")

    def __init__(self, cfg: Config, client: Any, parser: Callable[[], Iterator[Request]]) -> None:
        """Answer on the socket ``client``; ``parser`` returns gunicorn's, which has not parsed the request."""
        self._cfg = cfg
        self._client = client
        self._parser = parser
        self._head = b""
        self._request: Request | None = None
        self._response: Response | None = None
        self.begun = False

    @property
    def request(self) -> Request:
        """The request as gunicorn parses it."""
        if self._request is None:
            self._request = next(self._parser())
        return self._request

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Take the status and the headers of the answer (PEP 3333)."""
        if self._response is None:
            head = "".join([f"HTTP/1.1 {status}\r\n", *[f"{name}: {value}\r\n" for name, value in headers], "\r\n"])
            if not self._head and _is_answer(head):
                self._head = head.encode()
                return self.write
            self._response = Response(self.request, self._client, self._cfg)
        self._response.start_response(status, headers, exc_info)
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the body. An answer that accepts has none."""
        if self._response is not None:
            self._response.write(data)
            self.begun = True
        elif not self.begun:
            self._client.sendall(self._head)
            self.begun = True

    def close(self) -> None:
        """Send what is not sent yet."""
        if self._response is not None:
            self._response.close()
        else:
            self.write(b"")
