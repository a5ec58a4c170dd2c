"""Attacks with HTTP requests: many at once, and bodies and heads that do not end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.attacks.attack import Attack, Control, Pause, Script, Step

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_TEN_GB = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n"
_FILLER = b"x" * 65_536


def again_and_again(piece: bytes, first: bytes = b"") -> Script:
    """Send `first`, and then `piece` as often as the server takes it."""

    def script(_: int) -> Iterator[Step]:
        yield first or piece
        yield from itertools.repeat(piece)

    return script


def slowly(first: bytes, piece: bytes, seconds: float) -> Script:
    """Send `first`, and then `piece` each so many seconds."""

    def script(_: int) -> Iterator[Step]:
        yield first or piece
        while True:
            yield Pause(seconds)
            yield piece

    return script


def one_after_the_other(request: bytes) -> Script:
    """Send a request as soon as the one before is answered."""

    def script(_: int) -> Iterator[Step]:
        while True:
            yield request
            yield Control.ANSWER

    return script


def never_read(piece: bytes) -> Script:
    """Send `piece` again and again, and read nothing."""

    def script(_: int) -> Iterator[Step]:
        yield Control.DEAF
        yield from itertools.repeat(piece)

    return script


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((line + b" HTTP/1.1", b"Host: a", *headers, b"", b"")) + body


_PIPELINED = {
    "GET /": GET,
    "GET / as a page": request(b"GET /", b"Accept: text/html"),
    "GET /healthz": request(b"GET /healthz"),
    "GET of a file": request(b"GET /static/signaling.js"),
    "GET of nothing": request(b"GET /nowhere"),
    "HEAD /": request(b"HEAD /"),
    "POST with a body": request(b"POST /", b"Content-Length: 100", body=b"x" * 100),
    "POST with a chunked body": request(
        b"POST /", b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * 20 + b"0\r\n\r\n"
    ),
    "POST that expects 100": request(b"POST /", b"Expect: 100-continue", b"Content-Length: 1", body=b"x"),
    "a wrong Upgrade": request(b"GET /", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 1"),
    "HTTP/1.0 keep-alive": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
}

_ENDLESS = {
    "chunks of 1 byte": (_CHUNKED, b"1\r\nx\r\n" * 10_000),
    "chunk extensions": (_CHUNKED, (b"1;" + b"y" * 4_000 + b"\r\nx\r\n") * 16),
    "one chunk extension": (_CHUNKED + b"1;", _FILLER),
    "a chunk size": (_CHUNKED, b"0" * 65_536),
    "trailers": (_CHUNKED + b"0\r\n", b"X-Trailer: y\r\n" * 4_000),
    "one trailer": (_CHUNKED + b"0\r\nX-Trailer: ", _FILLER),
    "a body of 10 GB": (_TEN_GB, _FILLER),
    "a body after Expect": (_TEN_GB.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"), _FILLER),
    "a body of a GET": (_TEN_GB.replace(b"POST", b"GET"), _FILLER),
    "a body of a WebSocket handshake": (
        request(b"GET /", b"Upgrade: websocket", b"Connection: Upgrade", b"Content-Length: 10000000000"),
        _FILLER,
    ),
    "a request line": (b"GET /", _FILLER),
    "a header": (b"GET / HTTP/1.1\r\nX: ", _FILLER),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 10_000),
    "folded headers": (b"GET / HTTP/1.1\r\nX: y\r\n", b" y\r\n" * 10_000),
    "empty lines": (b"\r\n", b"\r\n" * 30_000),
    "spaces": (b" ", b" " * 65_536),
    "HTTP/2 prefaces": (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * 2_000),
}

_TRICKLED = {
    "a body of 10 GB": (_TEN_GB, b"x"),
    "chunks of 1 byte": (_CHUNKED, b"1\r\nx\r\n"),
}

ATTACKS = [
    Attack("pipelined: 4,000 GET / in a write", again_and_again(GET * 4_000)),
    *(
        Attack(f"pipelined: {name}", again_and_again(piece * (100_000 // len(piece))))
        for name, piece in _PIPELINED.items()
    ),
    Attack("pipelined: never read", never_read(GET * 4_000)),
    Attack("pipelined: 50 connections", again_and_again(GET * 100), connections=50),
    Attack("pipelined: in pieces of 1 byte", lambda _: itertools.cycle(bytes((byte,)) for byte in GET)),
    Attack("GETs one after the other, 4 connections", one_after_the_other(GET), connections=4),
    *(Attack(f"endless: {name}", again_and_again(piece, first)) for name, (first, piece) in _ENDLESS.items()),
    *(
        Attack(f"trickled: {name}, 50 connections", slowly(first, piece, 0.2), connections=50)
        for name, (first, piece) in _TRICKLED.items()
    ),
]
