"""The users beside an attack: a call of two, and an operator who asks for the health once a second."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.waiting import TIMEOUT

MESSAGES_A_SECOND = 20
HEALTH_INTERVAL = 1.0
HEALTH_TIMEOUT = TIMEOUT
"""Seconds; gunicorn kills a worker that stands still for 30."""

_PADDING = "x" * 200
_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass
class Seen:
    """What the users saw.

    Attributes:
        latencies: seconds of each message from one user to the other.
        sent: how many messages were sent.
        faults: what may never happen to a call, in words.
        health: seconds of each answer of `/healthz`.
        health_faults: what was answered in the place of a 200, or that nothing was.
    """

    latencies: list[float] = field(default_factory=list)
    sent: int = 0
    faults: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    health_faults: list[str] = field(default_factory=list)


class Witnesses:
    """A call at `url`, and the health of the same server. Use it as an asynchronous context."""

    def __init__(self, url: str, port: int, tls: ssl.SSLContext) -> None:
        self.seen = Seen()
        self._url, self._port, self._tls = url, port, tls
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._asks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Witnesses:
        self._call = [
            await connect(self._url, ssl=self._tls, compression=None, ping_interval=None, open_timeout=TIMEOUT)
            for _ in range(2)
        ]
        for user, connection in zip(("alice", "bob"), self._call, strict=True):
            await connection.send(
                json.dumps({"type": "join", "userId": user, "remoteId": "bob" if user == "alice" else "alice"})
            )
            await connection.recv()
            await connection.recv()
        for _ in range(2):
            await self._call[0].recv()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._tasks, *self._asks):
            task.cancel()
        for connection in self._call:
            connection.transport.abort()

    def begin(self) -> None:
        """Talk, and ask, from now on."""
        one, other = self._call
        self._hearing = [asyncio.create_task(self._hear(one, "bob")), asyncio.create_task(self._hear(other, "alice"))]
        self._talking = [asyncio.create_task(self._talk(one)), asyncio.create_task(self._talk(other))]
        self._asking = asyncio.create_task(self._ask_again_and_again())
        self._tasks = [*self._hearing, *self._talking, self._asking]

    async def end(self) -> Seen:
        """Stop, wait for what is under way, and return what was seen."""
        self._over.set()
        await asyncio.gather(*self._talking, self._asking)
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                while len(self.seen.latencies) < self.seen.sent and not all(task.done() for task in self._hearing):
                    await asyncio.sleep(0.02)
        if lost := self.seen.sent - len(self.seen.latencies):
            self.seen.faults.append(f"{lost} messages did not arrive")
        if self._asks:
            await asyncio.wait(self._asks, timeout=HEALTH_TIMEOUT)
        return self.seen

    async def _talk(self, connection: ClientConnection) -> None:
        number, begin = 0, time.monotonic()
        while not self._over.is_set():
            word = {"number": number, "at": time.monotonic(), "padding": _PADDING}
            try:
                await connection.send(json.dumps({"type": "candidate", "candidate": word}))
            except ConnectionClosed:
                return
            self.seen.sent += 1
            number += 1
            await asyncio.sleep(max(0.0, begin + number / MESSAGES_A_SECOND - time.monotonic()))

    async def _hear(self, connection: ClientConnection, speaker: str) -> None:
        expected = 0
        try:
            while True:
                told: dict[str, Any] = json.loads(await connection.recv())
                if told["type"] != "message" or told["from"] != speaker:
                    self.seen.faults.append(f"a user was told {told}")
                    continue
                word = told["data"]["candidate"]
                self.seen.latencies.append(time.monotonic() - word["at"])
                if word["number"] != expected:
                    self.seen.faults.append(f"message {word['number']} in the place of {expected}")
                expected = word["number"] + 1
        except ConnectionClosed as end:
            self.seen.faults.append(f"a connection of the call ended: {end}")

    async def _ask_again_and_again(self) -> None:
        while not self._over.is_set():
            ask = asyncio.create_task(self._ask())
            self._asks.add(ask)
            ask.add_done_callback(self._asks.discard)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), HEALTH_INTERVAL)

    async def _ask(self) -> None:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1",
                    self._port,
                    ssl=self._tls,
                    server_hostname="localhost",
                    ssl_handshake_timeout=HEALTH_TIMEOUT,
                )
                try:
                    writer.write(_HEALTH)
                    answer = await reader.read()
                finally:
                    writer.transport.abort()
        except (OSError, TimeoutError) as error:
            self.seen.health_faults.append(repr(error))
            return
        if not answer.startswith(b"HTTP/1.1 200 "):
            self.seen.health_faults.append(repr(answer[:60]))
        self.seen.health.append(time.monotonic() - begin)
