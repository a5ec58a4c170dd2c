"""The load's connections, in joined pairs, on picows; and the clocks they are measured by."""

from __future__ import annotations

import asyncio
import itertools
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
from protocols import PROTOCOLS, Event

LANES = 10  # pairs that are opened at a time
MICROSECONDS = 1e6
T = TypeVar("T")


class Client(WSListener):
    """One connection; each frame goes to `take`."""

    transport: WSTransport
    peer: Client
    take: Callable[[WSFrame], None]

    def __init__(self, load: Load, user: str) -> None:
        self.load, self.user = load, user
        self.take = self._take_event
        self._leaves = False
        self._events = {event: load.loop.create_future() for event in Event}

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._happened(self.load.protocol.handshake)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.take(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._leaves:
            self.load.fail(f"the server closed a connection: {transport.close_handshake}")

    def send(self, payload: bytes) -> None:
        self.transport.send(WSMsgType.TEXT, payload)

    def payload(self, kind: str) -> bytes:
        """Return a message of that kind to the peer."""
        return self.load.protocol.payload(kind, self.peer.user)

    def expect(self, size: int, arrived: Callable[[], None]) -> None:
        """From now on call `arrived` at each relayed message: it is no shorter than what was sent; an error is."""

        def take(frame: WSFrame) -> None:
            if frame.payload_size >= size:
                self.load.messages += 1
                arrived()
            elif not self._reply(text := frame.get_payload_as_bytes()):
                self.load.fail(f"the server answered {text!r}")

        self.take = take

    async def join(self) -> None:
        """Join the peer, where that takes a message."""
        if message := self.load.protocol.join(self.user, self.peer.user):
            await self._events[Event.WELCOME]
            self.send(message)
        await self._events[Event.PAIRED]

    async def say(self, payload: bytes) -> None:
        """Send a message, and wait until the peer has it."""
        heard = self.load.loop.create_future()
        self.peer.expect(len(payload), partial(heard.set_result, None))
        self.send(payload)
        await heard

    async def hang_up(self) -> None:
        """Leave the room, wait until the peer knows, and then both close."""
        self.take, self.peer.take = self._take_event, self.peer._take_event
        self.send(self.load.protocol.bye(self.peer.user))
        await self.peer._events[Event.LEFT]
        self.peer.send(self.load.protocol.bye(self.user))
        await asyncio.gather(self._close(), self.peer._close())

    async def _close(self) -> None:
        self._leaves = True
        self.transport.send_close(WSCloseCode.OK)
        await self.transport.wait_disconnected()

    def _take_event(self, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT and not self._reply(text := frame.get_payload_as_bytes()):
            self._happened(event := self.load.protocol.event(text))
            if event is Event.ERROR:
                self.load.fail(f"the server answered {text!r}")

    def _happened(self, event: Event | None) -> None:
        if event and not self._events[event].done():
            self._events[event].set_result(None)

    def _reply(self, text: bytes) -> bool:
        """Send what is to be answered at once, and return whether there was something."""
        if reply := self.load.protocol.reply(text):
            self.send(reply)
        return reply is not None


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
        protocol: str = "rooms",
        verify: bool = False,
        health: str = "/",
    ) -> None:
        self.urls, self.pids, self.redis, self.health = urls, pids, redis, health
        self.protocol = PROTOCOLS[protocol]
        self.loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = self.loop.create_future()
        self.messages = 0
        self._reserved = 0
        self._prefix = os.urandom(4).hex()
        self.context = _context(verify) if urls[0].startswith("wss:") else None

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

    async def each(self, count: int, once: Callable[[int], Awaitable[T]], lanes: int = LANES) -> list[T]:
        """Do it `count` times, some at a time, each for a pair of its own; one by one where order makes the pairs."""
        first = self.reserve(count)
        numbers = iter(range(first, first + count))

        async def lane() -> list[T]:
            return [await once(number) for number in numbers]

        done = await self.unless_failed(lane() for _ in range(1 if self.protocol.one_by_one else lanes))
        return list(itertools.chain(*done))

    async def open(self, count: int) -> list[tuple[Client, Client]]:
        """Connect and join `count` pairs."""
        return await self.each(count, self.pair)

    async def pair(self, number: int) -> tuple[Client, Client]:
        """Connect and join one pair."""
        users = self.names(number)
        one = await self._connect(self.urls[0], users[0])
        other = await self._connect(self.urls[-1], users[1])
        one.peer, other.peer = other, one
        await asyncio.gather(one.join(), other.join())
        return one, other

    async def _connect(self, url: str, user: str) -> Client:
        client = Client(self, user)
        await ws_connect(
            lambda: client,
            url.replace("{user}", user),
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


def _context(verify: bool) -> ssl.SSLContext:
    """Without the system's certificates, where none is verified: they make each handshake dearer."""
    if verify:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


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
