"""The load's connections, in joined pairs, on picows; and the clocks they are measured by."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import usage
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

BYE = b'{"type":"bye"}'
LANES = 10  # pairs that are opened at a time
MICROSECONDS = 1e6
T = TypeVar("T")


class Client(WSListener):
    """One connection; each frame goes to `take`."""

    transport: WSTransport
    peer: Client
    take: Callable[[WSFrame], None]

    def __init__(self, load: Load) -> None:
        self.load = load
        self.take = self._take_reply
        self.paired: asyncio.Future[None] = load.loop.create_future()
        self.leaves = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.take(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.leaves:
            self.load.fail(f"the server closed a connection: {transport.close_handshake}")

    def send(self, payload: bytes) -> None:
        self.transport.send(WSMsgType.TEXT, payload)

    def expect(self, size: int, arrived: Callable[[], None]) -> None:
        """From now on call `queue_read` at each relayed message: it is no shorter than what was sent; an error is."""

        def take(frame: WSFrame) -> None:
            if frame.payload_size < size:
                self.load.fail(f"the server answered {frame.get_payload_as_bytes()!r}")
            self.load.messages += 1
            arrived()

        self.take = take

    async def say(self, payload: bytes) -> None:
        """Send a message, and wait until the peer has it."""
        heard = self.load.loop.create_future()
        self.peer.expect(len(payload), partial(heard.set_result, None))
        self.send(payload)
        await heard

    async def hang_up(self) -> None:
        """Leave the room, wait until the peer knows, and then both close."""
        parted = self.load.loop.create_future()
        self.peer.take = partial(_take_bye, parted)
        self.send(BYE)
        await parted
        self.peer.send(BYE)
        await asyncio.gather(self._close(), self.peer._close())

    async def _close(self) -> None:
        self.leaves = True
        self.take = _ignore
        self.transport.send_close(WSCloseCode.OK)
        await self.transport.wait_disconnected()

    def _take_reply(self, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        message = json.loads(frame.get_payload_as_bytes())
        if message["type"] == "error":
            self.load.fail(f"the server answered {message}")
        elif message["type"] == "roomInfo" and message["userCount"] == 2 and not self.paired.done():
            self.paired.set_result(None)


def _take_bye(parted: asyncio.Future[None], frame: WSFrame) -> None:
    if not parted.done() and json.loads(frame.get_payload_as_bytes())["type"] == "bye":
        parted.set_result(None)


def _ignore(frame: WSFrame) -> None:
    pass


@dataclass(frozen=True)
class Mark:
    """The clocks, in seconds, and the count of messages at one moment."""

    at: float
    messages: int
    server_cpu: float  # that of Redis included
    redis_cpu: float
    client_cpu: float


class Load:
    """All connections of one job: one end of each pair is at the first URL, the other at the last."""

    def __init__(
        self,
        urls: Sequence[str],
        pids: Sequence[int] = (),
        redis: Sequence[int] = (),
        joins: bool = True,
        verify: bool = False,
        health: str = "/",
    ) -> None:
        self.urls, self.pids, self.redis, self.joins, self.health = urls, pids, redis, joins, health
        self.loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = self.loop.create_future()
        self.messages = 0
        self._reserved = 0
        self._prefix = os.urandom(4).hex()
        self.context = ssl.create_default_context() if urls[0].startswith("wss:") else None
        if self.context and not verify:
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def fail(self, reason: str) -> None:
        if not self.failure.done():
            self.failure.set_exception(RuntimeError(reason))

    async def hold(self, seconds: float) -> None:
        """Let the load run, unless it fails."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.failure), seconds)

    async def unless_failed(self, tasks: Iterable[Awaitable[T]]) -> list[T]:
        """Wait for all of them, unless the load fails."""
        together = asyncio.gather(*tasks)
        waited: set[asyncio.Future[Any]] = {together, self.failure}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self.failure.done():
            self.failure.result()
        return await together

    def reserve(self, count: int) -> int:
        """Take the numbers of `count` pairs: the first of them."""
        first, self._reserved = self._reserved, self._reserved + count
        return first

    def names(self, number: int) -> tuple[str, str]:
        """Return the users of a pair."""
        return f"{self._prefix}a{number}", f"{self._prefix}b{number}"

    async def each(self, count: int, once: Callable[[int], Awaitable[T]]) -> list[T]:
        """Do it `count` times, some at a time, each for a pair of its own; one by one where order makes the pairs."""
        first = self.reserve(count)
        numbers = iter(range(first, first + count))

        async def lane() -> list[T]:
            return [await once(number) for number in numbers]

        lanes = await self.unless_failed(lane() for _ in range(LANES if self.joins else 1))
        return list(itertools.chain(*lanes))

    async def open(self, count: int) -> list[tuple[Client, Client]]:
        """Connect and join `count` pairs."""
        return await self.each(count, self.pair)

    async def pair(self, number: int) -> tuple[Client, Client]:
        """Connect and join one pair."""
        names = self.names(number)
        urls = (url.replace("{user}", name) for url, name in zip((self.urls[0], self.urls[-1]), names, strict=True))
        pair = await self._connect(next(urls)), await self._connect(next(urls))
        for client, peer, name, other in zip(pair, pair[::-1], names, names[::-1], strict=True):
            client.peer = peer
            if self.joins:
                client.send(json.dumps({"type": "join", "userId": name, "remoteId": other}).encode())
        if self.joins:
            await asyncio.gather(*(client.paired for client in pair))
        return pair

    async def _connect(self, url: str) -> Client:
        client = Client(self)
        await ws_connect(
            lambda: client,
            url,
            ssl_context=self.context,
            read_buffer_init_size=8192,
            websocket_handshake_timeout=30,
        )
        return client

    def mark(self) -> Mark:
        server_cpu, redis_cpu = usage.cpu_seconds(self.pids), usage.cpu_seconds(self.redis)
        return Mark(time.monotonic(), self.messages, server_cpu + redis_cpu, redis_cpu, time.process_time())

    async def span(self, seconds: float) -> Span:
        """Hold the load for some seconds."""
        before = self.mark()
        await self.hold(seconds)
        return Span(before, self.mark())


class Span(NamedTuple):
    """From one moment to another."""

    before: Mark
    after: Mark

    def of(self, field: str) -> float:
        """Return how much more there is of that field of a mark."""
        more: float = getattr(self.after, field) - getattr(self.before, field)
        return more


def relayed(spans: Sequence[Span]) -> dict[str, Any]:
    """Return what a relayed message cost, and which side had its core full."""
    return limited(spent(spans, int(sum(span.of("messages") for span in spans))))


def limited(spending: dict[str, Any]) -> dict[str, Any]:
    """Add which side had its core full."""
    full = "server" if spending["server_busy"] > 0.90 else "client" if spending["client_busy"] > 0.95 else "neither"
    return spending | {"limit": full}


def spent(spans: Sequence[Span], count: int) -> dict[str, Any]:
    """CPU for each of `count` things in microseconds, their rate a second, and the CPU of both sides in cores."""
    if not count:
        raise RuntimeError("nothing was relayed")
    wall, server, redis, client = (
        sum(span.of(field) for span in spans) for field in ("at", "server_cpu", "redis_cpu", "client_cpu")
    )
    return {
        "cost_us": server / count * MICROSECONDS,
        "redis_cost_us": redis / count * MICROSECONDS,
        "client_cost_us": client / count * MICROSECONDS,
        "rate": count / wall,
        "server_busy": server / wall,
        "client_busy": client / wall,
    }
