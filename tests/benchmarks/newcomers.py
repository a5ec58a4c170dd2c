"""Clients that connect over TLS and join, as cheaply as Python can: the server is to be the limit, not they.

There is only what a client of a signaling server needs of TLS and of the WebSocket. It can also resume a TLS session,
which picows and uvloop cannot.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from connections import Load

IN_FLIGHT = 300
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_READ = 16384


class Newcomer:
    """One client: `joined` is done once the server has said that it is in its room."""

    def __init__(self, load: Load, user: str, peer: str, session: ssl.SSLSession | None) -> None:
        self.joined: asyncio.Future[None] = load.loop.create_future()
        self._load, self._user, self._peer = load, user, peer
        self._received = b""
        self._step = self._shake_hands
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        assert load.context is not None
        self._tls = load.context.wrap_bio(self._incoming, self._outgoing, session=session)

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session to resume; its ticket came with the first answer."""
        return self._tls.session

    async def come(self, url: str) -> None:
        """Connect and join."""
        address = urlsplit(url)
        self._host = address.netloc
        self._socket = socket.socket()
        self._socket.setblocking(False)
        # Over loopback it is done at once, unless the server's queue is full.
        if self._socket.connect_ex((address.hostname, address.port)):
            await self._load.loop.sock_connect(self._socket, (address.hostname, address.port))
        self._load.loop.add_reader(self._socket, self._readable)
        self._go_on()
        await self.joined

    def leave(self) -> None:
        """Go without a word."""
        self._load.loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ)
            if not data:
                raise ConnectionError("it closed the connection")
            self._incoming.write(data)
            self._go_on()
        except Exception as error:
            self._load.loop.remove_reader(self._socket)
            self._load.fail(f"the server lost a newcomer: {type(error).__name__}: {error}")

    def _go_on(self) -> None:
        """Do what can be done with what has arrived, and send what that makes."""
        try:
            while True:
                self._step()
        except ssl.SSLWantReadError:
            pass
        if self._outgoing.pending:
            self._socket.send(self._outgoing.read())

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._step = self._read_head
        self._tls.write(
            f"GET / HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def _read_head(self) -> None:
        self._received += self._tls.read(_READ)
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"it answered {head!r}")
        self._received = rest
        self._step = self._read_frames
        self._send(_TEXT, json.dumps({"type": "join", "userId": self._user, "remoteId": self._peer}).encode())

    def _read_frames(self) -> None:
        received = self._received + self._tls.read(_READ)
        at = 0
        while len(received) >= at + 4:
            size, start = received[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(received[at + 2 : at + 4], "big"), at + 4
            if len(received) < start + size:
                break
            self._take(received[at] & 0xF, received[start : start + size])
            at = start + size
        self._received = received[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE or payload.startswith(b'{"type":"error"'):
            raise ConnectionError(f"it sent {payload!r}")
        elif not self.joined.done() and payload.startswith((b'{"type":"created"', b'{"type":"joined"')):
            self.joined.set_result(None)

    def _send(self, opcode: int, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is.
        assert len(payload) < 126
        self._tls.write(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


async def crowd(
    load: Load, count: int, in_flight: int = IN_FLIGHT, sessions: Sequence[ssl.SSLSession | None] = (None,)
) -> list[Newcomer]:
    """Let `count` clients come, in pairs, `in_flight` at a time; each has one of the TLS sessions to resume."""
    turns = iter(range(count))
    first = load.reserve(count // 2)
    session = itertools.cycle(sessions)

    async def lane() -> list[Newcomer]:
        came = []
        for turn in turns:
            names = load.names(first + turn // 2)
            user, peer = names[:: -1 if turn % 2 else 1]
            newcomer = Newcomer(load, user, peer, next(session))
            await newcomer.come(load.urls[0])
            came.append(newcomer)
        return came

    return list(itertools.chain(*await load.unless_failed(lane() for _ in range(in_flight))))
