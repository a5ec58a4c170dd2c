"""Calls that go on while something else happens to their server, and what they notice of it.

It is a process of its own that runs before all others, so that the load cannot delay it; the load starts it with
`Ongoing`. Beside the calls it asks for the server's health. It also sends bytes to an echo that runs before the server:
what it measures of the echo is its own error.

    python ongoing.py '{"server": {"urls": ["wss://127.0.0.1:8443/"]}, "calls": 10}'

It prints a line once the calls go on. At the end of its standard input it prints what it noted, as JSON: the moment, on
the monotonic clock, and the seconds that it took.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvloop
from connections import Client, Load
from picows import WSError
from servers import client_core, leave_client_core

Noted = list[tuple[float, float]]

MESSAGE_SECONDS = 0.1  # between two messages of one end of a call
HEALTH_SECONDS = 0.1
ECHO_SECONDS = 0.01
LAST_SECONDS = 60.0  # for what is under way in the end


class Ongoing:
    """The process, as the load sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, load: Load, calls: int) -> Ongoing:
        job = {"server": {"urls": load.urls, "health": load.health}, "calls": calls}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, json.dumps(job), stdin=pipe, stdout=pipe, limit=2**26
        )
        ongoing = cls(process)
        await ongoing._line()
        return ongoing

    async def end(self) -> dict[str, Noted]:
        """Let the calls end: what they noted."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        noted: dict[str, Noted] = json.loads(await self._line())
        await self._process.wait()
        return noted

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the calls that go on failed")
        return line


async def run(echo: socket.socket, server: dict[str, Any], calls: int) -> None:
    load = Load(**server)
    messages: Noted = []
    health: Noted = []
    echoes: Noted = []
    pairs = await load.open(calls)
    clients = [client for pair in pairs for client in pair]
    regular = [(MESSAGE_SECONDS, _speak(client, messages)) for client in clients]
    regular.append((HEALTH_SECONDS, partial(_ask, load, health)))
    goes_on = [asyncio.ensure_future(_every(seconds, once)) for seconds, once in regular]
    goes_on.append(asyncio.ensure_future(_listen(load, echo, echoes)))
    print("ready", flush=True)
    ended = load.loop.run_in_executor(None, sys.stdin.read)
    await asyncio.wait({ended, load.failure, *goes_on}, return_when=asyncio.FIRST_COMPLETED)
    for task in goes_on:
        if task.done():
            task.result()
        task.cancel()
    await load.unless_failed([asyncio.wait_for(_until_quiet(), LAST_SECONDS)])
    print(json.dumps({"messages": messages, "health": health, "echo": echoes}), flush=True)


async def _every(seconds: float, once: Callable[[], Awaitable[None]]) -> None:
    """Do it at a rate, from a random moment on, however long it takes."""
    await asyncio.sleep(random.random() * seconds)
    due = time.monotonic()
    while True:
        _under_way.add(task := asyncio.ensure_future(once()))
        task.add_done_callback(_under_way.discard)
        due += seconds
        await asyncio.sleep(due - time.monotonic())
        if task.done():
            task.result()


_under_way: set[asyncio.Future[None]] = set()


async def _until_quiet() -> None:
    await asyncio.gather(*_under_way)


def _speak(client: Client, noted: Noted) -> Callable[[], Awaitable[None]]:
    """Return what sends a message and waits until the peer has it."""
    data, clock = client.payload("candidate"), time.monotonic
    sent = deque[tuple[float, asyncio.Future[None]]]()

    def arrived() -> None:
        at, heard = sent.popleft()
        noted.append((at, clock() - at))
        heard.set_result(None)

    async def speak() -> None:
        heard = client.load.loop.create_future()
        sent.append((clock(), heard))
        client.send(data)
        await heard

    client.peer.expect(len(data), arrived)
    return speak


async def _ask(load: Load, noted: Noted) -> None:
    """GET over a connection of its own, as a load balancer does."""
    address, at = urlsplit(load.urls[0]), time.monotonic()
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=load.context)
    writer.write(f"GET {load.health} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.readline()
    noted.append((at, time.monotonic() - at))
    writer.transport.abort()
    if b" 200 " not in answer:
        raise RuntimeError(f"{load.health} answered {answer!r}")


async def _listen(load: Load, echo: socket.socket, noted: Noted) -> None:
    """Send a byte every so often, and wait until it is back."""
    while True:
        await asyncio.sleep(ECHO_SECONDS)
        at = time.monotonic()
        await load.loop.sock_sendall(echo, b"?")
        await load.loop.sock_recv(echo, 1)
        noted.append((at, time.monotonic() - at))


def _start_echo() -> socket.socket:
    """Fork a process that sends back what it gets, beside the server and above it."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        ours.setblocking(False)
        return ours
    ours.close()
    leave_client_core()
    _rise()
    while data := theirs.recv(1):
        theirs.sendall(data)
    os._exit(0)


def _rise() -> None:
    """Run before every process of the usual kind; where that is not allowed, the echo shows what it costs."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


if __name__ == "__main__":
    echo = _start_echo()
    if (core := client_core()) is not None:
        os.sched_setaffinity(0, {core})
    _rise()
    try:
        uvloop.run(run(echo, **json.loads(sys.argv[1])))
    except (RuntimeError, OSError, WSError) as error:
        print(f"the calls that go on: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
