"""Attacks over an open WebSocket: frames and messages, at full speed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from tests.attacks.attack import Attack, Control, Pause, Script, Step
from tests.attacks.places import FOR_EVER, HANDSHAKE
from tests.soak.raw_client import frame, text

_WRITE_BYTES = 65_536

PING, PONG, CLOSE, TEXT, BINARY = 0x89, 0x8A, 0x88, 0x81, 0x82
FIRST, MORE, LAST = 0x01, 0x00, 0x80


def _name(number: int) -> str:
    return f"attacker {os.getpid()} {number}"


def _filled(piece: bytes) -> bytes:
    """Return as many of a frame as one write takes."""
    return piece * max(1, _WRITE_BYTES // len(piece))


def flood(*pieces: bytes, first: bytes = b"", joined: bool = False, deaf: bool = False) -> Script:
    """Open a WebSocket, and send one piece after the other without pause."""

    def script(number: int) -> Iterator[Step]:
        yield HANDSHAKE
        yield Control.ANSWER
        if joined:
            # Connections of the numbers 0 and 1 are a pair, 2 and 3, and so on.
            yield text(type="join", userId=_name(number), remoteId=_name(number ^ 1))
        if deaf:
            yield Control.DEAF
        if first:
            yield first
        yield from itertools.cycle(pieces)

    return script


def _within_the_rate(piece: bytes) -> Script:
    """Send 90 pieces of one message a second, which is fewer than the rate allows."""

    def script(number: int) -> Iterator[Step]:
        yield HANDSHAKE
        yield Control.ANSWER
        yield frame(FIRST, b"")
        while True:
            yield piece * 45
            yield Pause(0.5)

    return script


def _never_reads(number: int) -> Iterator[Step]:
    """The first of a pair reads nothing, the second sends it what the limits allow, and more."""
    steps = flood(_filled(text(type="message", data="x" * 60_000)), joined=True)(number)
    if number % 2 == 0:
        yield from itertools.islice(steps, 3)
        yield Control.DEAF
        yield FOR_EVER
    yield from steps


def _joins(*pairs: tuple[object, object]) -> bytes:
    return b"".join(text(type="join", userId=user, remoteId=remote) for user, remote in pairs)


def _raw(payload: str | bytes) -> bytes:
    return frame(TEXT, payload if isinstance(payload, bytes) else payload.encode())


_BOMBS = [
    _raw("[" * 65_000),
    _raw('{"type":"message","data":' + "[" * 32_000 + "]" * 32_000 + "}"),
    _raw('{"type":"message","data":' + "[" * 900 + "]" * 900 + "}"),
    _raw('{"type":"message","data":' + '{"a":' * 900 + "1" + "}" * 900 + "}"),
    _raw('{"type":' * 8_000),
    _raw('{"type":"message","data":' + "9" * 65_000 + "}"),
    _raw('{"type":"message","data":1e' + "9" * 65_000 + "}"),
    _raw('{"type":"ping","id":' + "9" * 65_000 + "}"),
    _raw('{"type":"' + "x" * 65_000 + '"}'),
    _raw('{"type":"join","userId":"' + "x" * 32_000 + '","remoteId":"' + "y" * 32_000 + '"}'),
    _raw("{" + ",".join(f'"{number}":0' for number in range(6_000)) + "}"),
    _raw("{" + '"type":"ping",' * 4_000 + '"type":"ping"}'),
    _raw('{"type":"message","data":"' + "\\u0041" * 10_000 + '"}'),
    _raw('{"type":"message","data":"' + "\\ud83d\\ude00" * 5_000 + '"}'),
    _raw(b'{"type":"message","data":"' + "\U0001f600".encode() * 16_000 + b'"}'),
    _raw(" " * 65_000),
    _raw("\0" * 65_000),
    _raw(b"\xff" * 65_000),
    _raw("null"),
    _raw(r'{"type":"message","data":"\ud800"}'),
    _raw('{"type":"message","data":NaN}'),
]

_FLOODS: dict[str, bytes] = {
    "empty pongs": frame(PONG, b""),
    "pongs of 125 bytes": frame(PONG, b"x" * 125),
    "empty pings": frame(PING, b""),
    "pings of 125 bytes": frame(PING, b"x" * 125),
    "empty messages": frame(TEXT, b""),
    "messages of 1 byte": frame(TEXT, b"1"),
    "empty binary messages": frame(BINARY, b""),
    "invalid JSON": frame(TEXT, b"{"),
    "messages before a join": text(type="message", data=1),
    "pings as messages": text(type="ping", id=1),
    "messages of 60,000 bytes": text(type="message", data="x" * 60_000),
    "messages over the limit": frame(TEXT, b"x" * 65_537),
    "bad frames": frame(0xC3, b"x"),
    "close frames": frame(CLOSE, b"\x03\xe8"),
    "joins of one pair": _joins((1, 2)),
    "joins that end with the own name": _joins((1, 2), (2, 1)),
    "bye": text(type="bye"),
    "joins and byes": _joins((1, 2)) + text(type="bye"),
}

ATTACKS = [
    *(Attack(f"frames: {name}", flood(_filled(piece))) for name, piece in _FLOODS.items()),
    Attack("frames: empty pongs, 50 connections", flood(_filled(frame(PONG, b""))), connections=50),
    Attack("frames: empty pongs, a TLS record each", flood(frame(PONG, b""))),
    Attack("frames: pongs, a TLS record a byte", flood(*(bytes((byte,)) for byte in frame(PONG, b"")))),
    Attack("frames: pongs between pings", flood(_filled(frame(PING, b"") + frame(PONG, b"") * 20))),
    Attack(
        "frames: joins of many pairs",
        flood(*(_joins(*((f"{name} {at}", at) for at in range(1_000))) for name in "abcdefgh")),
    ),
    Attack("frames: messages to a peer", flood(_filled(text(type="message", data=1)), joined=True), connections=2),
    Attack(
        "frames: large messages to a peer",
        flood(_filled(text(type="message", data="x" * 60_000)), joined=True),
        connections=2,
    ),
    Attack("frames: a peer that never reads", _never_reads, connections=2, receive_bytes=4_096),
    Attack("frames: ten peers that never read", _never_reads, connections=20, receive_bytes=4_096),
    Attack("frames: errors never read", flood(_filled(frame(TEXT, b"{")), deaf=True), receive_bytes=4_096),
    Attack(
        "frames: pongs to pings never read", flood(_filled(frame(PING, b"x" * 125)), deaf=True), receive_bytes=4_096
    ),
    *(
        Attack(f"pieces: {name}", flood(_filled(piece), first=first, joined=joined), connections=1 + joined)
        for joined in (False, True)
        for name, first, piece in (
            (f"of 2 bytes{', joined' * joined}", frame(FIRST, b"xx"), frame(MORE, b"xx")),
            (f"empty{', joined' * joined}", frame(FIRST, b""), frame(MORE, b"")),
        )
    ),
    Attack("pieces: empty, of binary messages", flood(_filled(frame(MORE, b"")), first=frame(0x02, b""))),
    Attack(
        "pieces: many whole messages",
        flood(_filled(frame(FIRST, b"") + frame(MORE, b"") * 30 + frame(LAST, b"1"))),
    ),
    Attack("pieces: pongs between them", flood(_filled(frame(MORE, b"") + frame(PONG, b"")), first=frame(FIRST, b""))),
    Attack(
        "pieces: of 2 bytes, 50 connections", flood(frame(MORE, b"xx") * 99, first=frame(FIRST, b"xx")), connections=50
    ),
    Attack(
        "pieces: of 2 bytes within the rate, 200 connections", _within_the_rate(frame(MORE, b"xx")), connections=200
    ),
    Attack("pieces: empty within the rate, 200 connections", _within_the_rate(frame(MORE, b"")), connections=200),
    Attack("bombs: JSON", flood(*_BOMBS)),
    Attack("bombs: JSON to a peer", flood(*_BOMBS, joined=True), connections=2),
]
