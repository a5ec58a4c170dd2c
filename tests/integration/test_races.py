"""What many do at the same moment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.driver import Client, Mute, Server, meet
from tests.waiting import TIMEOUT


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded():
        async with asyncio.timeout(3 * TIMEOUT):
            return await work

    return asyncio.run(bounded())


async def open_all(server: Server, count: int) -> list[ClientConnection]:
    options = {"compression": None, "ping_interval": None, "open_timeout": TIMEOUT}
    return await asyncio.gather(*(connect(server.ws_url, ssl=server.tls, **options).__aenter__() for _ in range(count)))


def join(user: str, remote: str) -> str:
    return json.dumps({"type": "join", "userId": user, "remoteId": remote})


async def everything(socket: ClientConnection) -> list[dict[str, Any]]:
    """All that is sent to `socket` until the answer to a ping, or its close."""
    heard = []
    with suppress(ConnectionClosed):
        await socket.send('{"type":"ping","id":"end"}')
    try:
        while True:
            heard.append(json.loads(await socket.recv()))
            if heard[-1] == {"type": "pong", "id": "end"}:
                return heard[:-1]
    except ConnectionClosed:
        return heard


async def settle(sockets: list[ClientConnection]) -> list[list[dict[str, Any]]]:
    """All that each of `sockets` hears of what all of them did so far."""
    # All was done when everybody has its first pong; what it caused arrives before a second one.
    first = await asyncio.gather(*map(everything, sockets))
    second = await asyncio.gather(*map(everything, sockets))
    return [before + after for before, after in zip(first, second, strict=True)]


def test_twelve_racing_to_join_as_one_user_leave_exactly_one(server: Server):
    async def race() -> None:
        sockets = await open_all(server, 12)
        await asyncio.gather(*(socket.send(join("twelve", "waits")) for socket in sockets))
        heard = await settle(sockets)
        out = [replies for replies in heard if any(reply.get("code") == "replaced" for reply in replies)]
        assert len(out) == 11
        assert all([r["type"] for r in replies].count("created") <= 1 for replies in heard)
        winner = next(socket for socket, replies in zip(sockets, heard, strict=True) if replies not in out)
        with Client(server) as peer:
            _, info = peer.join("waits", "twelve")
            assert info["userCount"] == 2
            assert json.loads(await winner.recv())["type"] == "ready"
        await asyncio.gather(*(socket.close() for socket in sockets))

    run(race())


def test_two_racing_joins_make_exactly_one_initiator(server: Server):
    async def race() -> None:
        sockets = await open_all(server, 100)
        pairs = list(zip(sockets[::2], sockets[1::2], strict=True))
        await asyncio.gather(
            *(one.send(join(f"r{n}", f"s{n}")) for n, (one, _) in enumerate(pairs)),
            *(other.send(join(f"s{n}", f"r{n}")) for n, (_, other) in enumerate(pairs)),
        )
        types = [[reply["type"] for reply in replies] for replies in await settle(sockets)]
        for one, other in zip(types[::2], types[1::2], strict=True):
            assert sorted([one, other]) == [["created", "roomInfo", "ready", "roomInfo"], ["joined", "roomInfo"]]
        await asyncio.gather(*(socket.close() for socket in sockets))

    run(race())


@pytest.fixture(scope="module")
def unlimited(certificate: Path) -> Iterator[Server]:
    """A server that limits no rate: what it does under a flood is its own doing."""
    with Server(certificate, SIGNALING_MESSAGE_RATE=0) as running:
        yield running


def test_a_reader_that_stops_reading_costs_only_itself(unlimited: Server):
    alice, bob = meet(unlimited)
    other, another = meet(unlimited, "carol", "dave")
    with alice, bob, other, another:
        since = len(unlimited.log)
        stuck, peer = Mute(unlimited), Client(unlimited)
        stuck.send(type="join", userId="stuck", remoteId="peer")
        unlimited.wait_for_log("User stuck is initiator", since)
        peer.join("peer", "stuck")
        sent = 0
        while not any("it reads too slowly" in line for line in unlimited.log[since:]):
            for _ in range(20):
                peer.send(type="message", data="x" * 60_000)
            sent += 20
            other.send(type="message", data=sent)
            assert another.receive()["data"] == sent
            assert sent < 2_000, "about 1 MiB is kept, and what the kernel holds"
        heard = peer.receive()
        assert (heard["type"], heard["userId"], heard["reason"]) == ("bye", "stuck", "lost")
        peer.vanish()
        stuck.vanish()


def test_a_client_that_floods_does_not_delay_others(unlimited: Server):
    async def flood() -> None:
        flooder, alice, bob = await open_all(unlimited, 3)
        await alice.send(join("calm", "calmer"))
        await bob.send(join("calmer", "calm"))
        await everything(bob)
        await everything(alice)
        stop = asyncio.Event()
        sent, meanwhile = 0, []

        async def pour() -> None:
            nonlocal sent
            while not stop.is_set():
                for _ in range(100):
                    await flooder.send('{"type":"bye"}')
                sent += 100
                await asyncio.sleep(0)

        pouring = asyncio.create_task(pour())
        for number in range(50):
            before = sent
            await alice.send(json.dumps({"type": "message", "data": number}))
            assert json.loads(await bob.recv())["data"] == number
            meanwhile.append(sent - before)
        assert sent > 1_000
        # A slow machine may hold up one message, though not most of them.
        assert statistics.median(meanwhile) < 20_000, "others wait for a turn, not for the end of the flood"
        health = await asyncio.to_thread(unlimited.health)
        assert health["status"] == "ok"
        stop.set()
        await pouring
        await asyncio.gather(flooder.close(), alice.close(), bob.close())

    run(flood())


@pytest.mark.parametrize("end", ["close", "bad text"])
def test_nothing_follows_a_close_though_the_peer_sends_in_the_same_moment(server: Server, end: str):
    """Chromium calls the connection failed otherwise. The driver asserts that it is not so."""
    for _ in range(10):
        alice, bob = meet(server)
        with alice, bob:
            os.kill(server.worker, signal.SIGSTOP)
            try:
                alice.start_close() if end == "close" else alice.send_text(b"\xff")
                bob.send(type="candidate", data={})
            finally:
                os.kill(server.worker, signal.SIGCONT)
            assert alice.closed()[0] == (1000 if end == "close" else 1007)
