"""A server that stops tells its clients one after the other, so that they do not all come back in one moment."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pytest

from tests.driver import Server
from tests.long import rest_long
from tests.waiting import TIMEOUT

CROWD = 2_000
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE = 1, 8


class Somebody:
    """As little of a WebSocket as two thousand of them take: short frames, no TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def joins(cls, server: Server, user: str, remote: str) -> Somebody:
        somebody = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        somebody._writer.write(HANDSHAKE)
        assert (await somebody._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        somebody.says(type="join", userId=user, remoteId=remote)
        await somebody.hears("roomInfo")
        return somebody

    def says(self, **message: Any) -> None:
        self._write(TEXT, json.dumps(message).encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        # Masked with zeros, which changes nothing.
        self._writer.write(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    async def _frame(self) -> tuple[int, bytes]:
        opcode, length = await self._reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2))
        return opcode & 0xF, await self._reader.readexactly(length)

    async def hears(self, type_: str) -> dict[str, Any]:
        """Wait for a message of this type."""
        while True:
            opcode, payload = await self._frame()
            assert opcode == TEXT, payload
            message: dict[str, Any] = json.loads(payload)
            if message["type"] == type_:
                return message

    async def goes(self) -> int:
        """Wait for the end of the connection, and return its close code."""
        code = 1006
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while code == 1006:
                opcode, payload = await self._frame()
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2])
                    self._write(CLOSE, payload[:2])
        self._writer.close()
        return code


async def crowd(server: Server, count: int) -> list[Somebody]:
    """Return that many in pairs, in the order of their arrival."""
    gate = asyncio.Semaphore(50)

    async def pair(number: int) -> list[Somebody]:
        async with gate:
            names = f"a{number}", f"b{number}"
            return [await Somebody.joins(server, *names), await Somebody.joins(server, *reversed(names))]

    return [somebody for both in await asyncio.gather(*map(pair, range(count // 2))) for somebody in both]


@contextmanager
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def seconds_of_drain(server: Server) -> float:
    """How long it took until the last client was gone, by the log of the server."""
    times = [
        datetime.fromisoformat(line[1:].partition("]")[0])
        for line in server.log
        if "clients that the server restarts" in line or "code=1012" in line
    ]
    return (times[-1] - times[0]).total_seconds()


@pytest.mark.long
def test_two_thousand_are_told_one_after_the_other_while_calls_go_on():
    """The drain would take twenty seconds; SIGINT ends it, as from a terminal: to the master and to the worker."""

    async def story(server: Server) -> list[int]:
        everybody = await crowd(server, CROWD)
        # The last to come are the last to be told.
        alice = await Somebody.joins(server, "alice", "bob")
        bob = await Somebody.joins(server, "bob", "alice")
        monitor = http.client.HTTPConnection("localhost", server.port, timeout=TIMEOUT)
        await asyncio.to_thread(monitor.connect)
        server.signal(signal.SIGTERM)
        ends = [asyncio.create_task(somebody.goes()) for somebody in everybody]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=TIMEOUT)

        alice.says(type="message", data="still here")
        assert (await bob.hears("message"))["data"] == "still here"
        await asyncio.to_thread(monitor.request, "GET", "/healthz")
        health = await asyncio.to_thread(monitor.getresponse)
        assert (health.status, json.load(health)["status"]) == (503, "draining")
        assert not all(end.done() for end in ends), "all of that was in the middle of the drain"
        os.kill(server.worker, signal.SIGINT)
        server.signal(signal.SIGINT)
        return await asyncio.gather(*ends, alice.goes(), bob.goes())

    with many_files(), Server(SIGNALING_DRAIN_SECONDS="60", SIGNALING_PING_INTERVAL="3600") as server:
        assert Counter(asyncio.run(story(server))) == {1012: CROWD + 2}
        assert server.wait() == 0
        server.wait_for_log(f"Telling {CROWD + 2} clients that the server restarts, within 20.0 seconds")
        assert seconds_of_drain(server) < 20
        assert not [line for line in server.log if "Traceback" in line or "timeout" in line or "SIGKILL" in line]


@pytest.mark.parametrize("seconds", rest_long([1.0, 0.0]))
def test_all_are_told_within_the_time_that_is_set(seconds: float):
    async def story(server: Server) -> list[int]:
        everybody = await crowd(server, 200)
        server.signal(signal.SIGTERM)
        return await asyncio.gather(*(somebody.goes() for somebody in everybody))

    with Server(SIGNALING_DRAIN_SECONDS=seconds) as server:
        assert Counter(asyncio.run(story(server))) == {1012: 200}
        assert server.wait() == 0
        server.wait_for_log(f"Telling 200 clients that the server restarts, within {seconds} seconds")
        assert seconds_of_drain(server) >= 0.9 * seconds, "one after the other"
        assert not [line for line in server.log if "Traceback" in line or "timeout" in line or "SIGKILL" in line]
