"""Clients that connect over TLS and join, as cheaply as Python can: the server is to be the limit, not they.

OpenSSL reads and writes the socket itself, which also lets a client resume a TLS session; picows and uvloop cannot. Of
the WebSocket there is only what a client of a signaling server needs.
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
        self._load, self._user, self._peer, self._session = load, user, peer, session
        self._received = bytearray()
        self._step = self._shake_hands
        self._tls: ssl.SSLSocket

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
        sock = socket.socket()
        sock.setblocking(False)
        await self._load.loop.sock_connect(sock, (address.hostname, address.port))
        context = self._load.context
        assert context is not None
        self._tls = context.wrap_socket(sock, do_handshake_on_connect=False, session=self._session)
        self._load.loop.add_reader(self._tls.fileno(), self._readable)
        self._readable()
        await self.joined

    def leave(self) -> None:
        """Go without a word."""
        self._load.loop.remove_reader(self._tls.fileno())
        self._tls.close()

    def _readable(self) -> None:
        try:
            self._step()
        except ssl.SSLWantReadError:
            pass
        except Exception as error:
            self._lost(f"{type(error).__name__}: {error}")

    def _lost(self, reason: str) -> None:
        self._load.loop.remove_reader(self._tls.fileno())
        self._load.fail(f"the server lost a newcomer: {reason}")

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._step = self._read_head
        self._tls.send(
            f"GET / HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def _read_head(self) -> None:
        self._received += self._tls.recv(_READ)
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 101"):
            self._lost(f"it answered {bytes(head)!r}")
            return
        self._received = rest
        self._step = self._read_frames
        self._send(_TEXT, json.dumps({"type": "join", "userId": self._user, "remoteId": self._peer}).encode())

    def _read_frames(self) -> None:
        received = self._received
        data = self._tls.recv(_READ)
        if not data:
            self._lost("it closed the connection")
            return
        received += data
        while len(received) >= 4:
            size, start = received[1], 2
            if size == 126:
                size, start = int.from_bytes(received[2:4], "big"), 4
            if len(received) < start + size:
                return
            self._take(received[0] & 0xF, received[start : start + size])
            del received[: start + size]

    def _take(self, opcode: int, payload: bytearray) -> None:
        if opcode == _PING:
            self._send(_PONG, bytes(payload))
        elif opcode == _CLOSE or payload.startswith(b'{"type":"error"'):
            self._lost(f"it sent {bytes(payload)!r}")
        elif payload.startswith((b'{"type":"created"', b'{"type":"joined"')) and not self.joined.done():
            self.joined.set_result(None)

    def _send(self, opcode: int, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is.
        assert len(payload) < 126
        self._tls.send(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


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
