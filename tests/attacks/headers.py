"""Attacks with the values of headers: what may take a parser far longer than its length."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attacks.attack import Attack, Control, Step
from tests.attacks.requests import request

_SIZE = 8_150
_MAX_HEADERS = 94
"""gunicorn takes 100; those of a handshake come on top."""

_NASTY = (
    b"a" + b" " * _SIZE + b"b",
    b"a" + b"\t" * _SIZE + b"b",
    b"a" * _SIZE,
    b"," * _SIZE,
    b", " * (_SIZE // 2),
    b"a," * (_SIZE // 2),
    b";" * _SIZE,
    b"a;" * (_SIZE // 2),
    b"a=b;" * (_SIZE // 4),
    b"a;q=0.5," * (_SIZE // 8),
    b'"' * _SIZE,
    b'a="' + b"\\" * _SIZE,
    b'a="' + b'\\"' * (_SIZE // 2),
    b"=" * _SIZE,
    b'W/"a", ' * (_SIZE // 7),
    b"bytes=" + b"0-1," * (_SIZE // 4),
    b"a-" * (_SIZE // 2),
    b"a/" * (_SIZE // 2),
    b":" * _SIZE,
    b"%25" * (_SIZE // 3),
    b"9" * _SIZE,
    b"\xff" * _SIZE,
)

_UPGRADE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

_PLACES: dict[bytes, tuple[bytes, ...]] = {
    b"Accept": (b"GET /",),
    b"Accept-Language": (b"GET /",),
    b"Accept-Encoding": (b"GET /static/signaling.js",),
    b"Authorization": (b"GET /ice-servers", b"GET /metrics", b"GET /ops/nodes"),
    b"Cache-Control": (b"GET /static/signaling.js",),
    b"Connection": (b"GET /",),
    b"Content-Type": (b"POST /", b"GET /"),
    b"Cookie": (b"GET /", b"GET /healthz", b"GET /ops"),
    b"Host": (b"GET /", b"GET /healthz"),
    b"If-Modified-Since": (b"GET /static/signaling.js",),
    b"If-None-Match": (b"GET /static/signaling.js", b"GET /"),
    b"If-Range": (b"GET /static/signaling.js",),
    b"Range": (b"GET /static/signaling.js",),
    b"Upgrade": (b"GET /",),
    b"User-Agent": (b"GET /",),
    b"X-Forwarded-For": (b"GET /", b"GET /healthz"),
    b"X-Forwarded-Proto": (b"GET /",),
    b"X-Y": (b"GET /",),
}

_OF_HANDSHAKES = (
    *(b"Connection", b"Origin", b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Key", b"Sec-WebSocket-Protocol"),
    *(b"Sec-WebSocket-Version", b"X-Forwarded-For", b"Cookie"),
)


def _lines(line: bytes, name: bytes, *others: bytes) -> Iterator[bytes]:
    for value in _NASTY:
        yield request(line, *others, name + b": " + value)
        yield request(line, *others, *[name + b": " + value] * _MAX_HEADERS)
        # The same in a head that a bound for the whole of it lets pass.
        yield request(line, *others, name + b": " + value[:7_000])
        yield request(line, *others, *[name + b": " + value[:70]] * 90)


def _header(name: bytes, lines: tuple[bytes, ...], *others: bytes) -> Attack:
    requests = [request for line in lines for request in _lines(line, name, *others)]

    def script(number: int) -> Iterator[Step]:
        # The server ends the connection after most of them: the next one goes on where this one was.
        while True:
            yield requests[_next(name, len(requests))]
            yield Control.ANSWER

    return Attack(f"header: {name.decode()}{' of a handshake' * bool(others)}", script, connections=4)


_turns: dict[bytes, int] = {}


def _next(name: bytes, count: int) -> int:
    _turns[name] = (_turns.get(name, -1) + 1) % count
    return _turns[name]


def _accept(head: bytes) -> Attack:
    def script(_: int) -> Iterator[Step]:
        while True:
            yield head
            yield Control.ANSWER

    count = head.count(b"Accept")
    return Attack(f"header: Accept with 8,150 spaces, {count} of them", script)


_SPACES = b"Accept: a" + b" " * _SIZE + b"b"

ATTACKS = [
    _accept(request(b"GET /", _SPACES)),
    _accept(request(b"GET /", *[_SPACES] * _MAX_HEADERS)),
    *(_header(name, lines) for name, lines in _PLACES.items()),
    *(
        _header(name, (b"GET /",), *(line for line in _UPGRADE if not line.startswith(name + b":")))
        for name in _OF_HANDSHAKES
    ),
]
