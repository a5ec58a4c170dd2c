"""Two thousand at once: they join through TLS, they vanish, and nothing of them stays."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.driver import Server
from tests.waiting import TIMEOUT

CROWD = 2_000


def resident(pid: int) -> int:
    """Resident memory of a process, in KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def join_all(server: Server, count: int) -> list[ClientConnection]:
    gate = asyncio.Semaphore(20)

    async def join(number: int) -> ClientConnection:
        async with gate:
            options = {"compression": None, "ping_interval": None, "open_timeout": 2 * TIMEOUT}
            socket = await connect(server.ws_url, ssl=server.tls, **options)
            pair, side = divmod(number, 2)
            ids = [f"crowd-{pair}-{side}", f"crowd-{pair}-{1 - side}"]
            await socket.send(json.dumps({"type": "join", "userId": ids[0], "remoteId": ids[1]}))
            assert json.loads(await socket.recv())["type"] in ("created", "joined")
            return socket

    return await asyncio.gather(*map(join, range(count)))


async def until(server: Server, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2 * TIMEOUT):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.long
def test_a_crowd_comes_and_goes(certificate: Path, record_property):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))

    async def crowd(server: Server) -> None:
        sockets = await join_all(server, CROWD)
        health = await asyncio.to_thread(server.health)
        assert (health["connections"], health["rooms"]) == (CROWD, CROWD // 2)
        full.append(resident(server.worker))
        for socket in sockets:
            socket.transport.abort()
        await asyncio.gather(*(socket.wait_closed() for socket in sockets))
        await until(server, lambda: (health := server.health())["connections"] == health["rooms"] == 0)

    full: list[int] = []
    try:
        with Server(certificate) as server:
            before = resident(server.worker), descriptors(server.worker)
            asyncio.run(crowd(server))
            grown = full[0] - before[0]
            asyncio.run(until(server, lambda: resident(server.worker) < before[0] + grown / 2))
            after = resident(server.worker)
            # A second crowd of the same size finds room in what the first one left, so that nothing is kept of it.
            asyncio.run(crowd(server))
            asyncio.run(until(server, lambda: resident(server.worker) < after + grown / 10))
            again = resident(server.worker)
            figures = f"KiB before {before[0]}, full {full}, after {after}, after a second crowd {again}"
            record_property("memory", figures)
            print(figures)
            asyncio.run(until(server, lambda: descriptors(server.worker) <= before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
