"""Attacks that hold connections for as long as they can, and those that open and end them without pause."""

from __future__ import annotations

import itertools
import random
import ssl
from collections.abc import Iterator
from contextlib import suppress

from tests.attacks.attack import LIMITED_PLACES, Attack, Control, Pause, Script, Step
from tests.attacks.requests import GET, never_read, one_after_the_other, request, slowly
from tests.soak.raw_client import text

HELD = 512

_LARGEST_FILE = request(b"GET /static/signaling.js")
_SMALL_BUFFER_BYTES = 4_096
FOR_EVER = Pause(3_600.0)

_UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade")
_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = request(b"GET /", *_UPGRADE, _KEY, b"Sec-WebSocket-Version: 13")

_REFUSED = {
    "of a bad Origin": request(
        b"GET /", *_UPGRADE, _KEY, b"Sec-WebSocket-Version: 13", b"Origin: https://evil.example"
    ),
    "of a bad version": request(b"GET /", *_UPGRADE, _KEY, b"Sec-WebSocket-Version: 99"),
    "without a key": request(b"GET /", *_UPGRADE, b"Sec-WebSocket-Version: 13"),
}


def _hello() -> bytes:
    """Return the first message of a TLS handshake."""
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def _byte_by_byte(data: bytes, seconds: float, first: bytes = b"") -> Script:
    def script(_: int) -> Iterator[Step]:
        if first:
            yield first
        for byte in data:
            yield bytes((byte,))
            yield Pause(seconds)
        yield FOR_EVER

    return script


def _stay(*steps: Step) -> Script:
    """Take these steps, and stay."""

    def script(_: int) -> Iterator[Step]:
        yield from steps
        yield FOR_EVER

    return script


def _end(*steps: Step) -> Script:
    """Take these steps, and end the connection."""
    return lambda _: iter(steps)


def _garbage(_: int) -> Iterator[Step]:
    dice = random.Random(1)
    yield dice.randbytes(dice.randint(1, 2_000))
    yield Control.EOF


def _broken_hello(_: int) -> Iterator[Step]:
    hello = bytearray(_hello())
    hello[random.randrange(5, len(hello))] ^= 0xFF
    yield bytes(hello)
    # Where the byte was in a length, the server waits for more.
    yield Pause(0.1)


def _held(name: str, script: Script, tls: bool = True, receive_bytes: int = 0) -> Attack:
    return Attack(
        f"held: {name}, {HELD} connections",
        script,
        connections=HELD,
        tls=tls,
        receive_bytes=receive_bytes,
        retry=0.1,
        settings=LIMITED_PLACES,
    )


def _storm(name: str, script: Script, connections: int = 4, tls: bool = True, reset: bool = False) -> Attack:
    return Attack(f"storm: {name}", script, connections=connections, tls=tls, reset=reset, retry=0.0)


ATTACKS = [
    _held("silence before TLS", _stay(), tls=False),
    _held("TLS hello, a byte each 8 s", _byte_by_byte(_hello(), 8.0), tls=False),
    _held("TLS hello, a byte a second", _byte_by_byte(_hello(), 1.0), tls=False),
    _held("TLS and no request", _stay()),
    _held("head, a byte a second", _byte_by_byte(GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 4_000), 1.0)),
    _held("header a second", slowly(b"GET / HTTP/1.1\r\n", b"X: y\r\n", 1.0)),
    _held("body, a byte a second", slowly(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", b"x", 1.0)),
    _held("request a second", slowly(GET, GET, 1.0)),
    _held("answers never read", never_read(_LARGEST_FILE * 200), receive_bytes=_SMALL_BUFFER_BYTES),
    _held("one answer never read", _stay(Control.DEAF, _LARGEST_FILE * 20), receive_bytes=_SMALL_BUFFER_BYTES),
    *(
        _held(f"WebSocket refused {name}", _stay(handshake, Control.ANSWER, Control.DEAF))
        for name, handshake in _REFUSED.items()
    ),
    _held("WebSocket", _stay(HANDSHAKE, Control.ANSWER, Control.DEAF)),
    _held(
        "WebSocket that was closed for its message",
        _stay(HANDSHAKE, Control.ANSWER, Control.DEAF, text(type="join", userId="a", remoteId="a")),
    ),
    _storm("connect and close", _end(), tls=False),
    _storm("connect and reset", _end(), tls=False, reset=True),
    _storm("TLS hello and reset", _end(_hello()), tls=False, reset=True),
    _storm("TLS handshakes", _end()),
    _storm("TLS handshakes and reset", _end(), reset=True),
    _storm("TLS garbage", _garbage, tls=False),
    _storm("TLS hello with a wrong byte", _broken_hello, tls=False),
    _storm("plain HTTP to TLS", _end(GET, Control.EOF), tls=False),
    _storm("GET on a new connection", _end(GET, Control.ANSWER)),
    _storm("GET and reset", _end(GET), reset=True),
    _storm("WebSocket and reset", _end(HANDSHAKE, Control.ANSWER), reset=True),
    *(_storm(f"WebSocket refused {name}", one_after_the_other(handshake)) for name, handshake in _REFUSED.items()),
    Attack("storm: 500 TLS handshakes at once", lambda _: itertools.repeat(Pause(0.5), 2), connections=500, retry=0.0),
]
