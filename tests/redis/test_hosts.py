"""Users of two hosts meet as if it were one."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys

from signaling.restart import workers
from tests.driver import Client, Server
from tests.integration.test_races import everything, join, open_all, run, settle
from tests.redis.conftest import host
from tests.redis.people import in_redis, indexed, meet_across, talk, types
from tests.redis_server import Redis
from tests.waiting import wait_until


def test_a_call_across_hosts_is_as_one_within(one: Server, other: Server, redis: Redis):
    alice, bob = meet_across(one, other, "alice", "bob")
    with alice, bob:
        talk(alice, bob, {"type": "offer", "sdp": "v=0\r\n" + "x" * 20_000})
        bob.send(type="candidate", candidate={"candidate": "candidate:1", "sdpMid": "0"})
        assert alice.receive() == {
            "type": "message",
            "data": {"type": "candidate", "candidate": {"candidate": "candidate:1", "sdpMid": "0"}},
            "from": "bob",
        }
        bob.send(type="bye")
        bye = alice.receive()
        assert (bye["type"], bye["userId"], bye["reason"]) == ("bye", "bob", "left")
        assert alice.receive()["userCount"] == 1
        alice.send(type="message", data=1)
        assert alice.receive()["code"] == "peer-absent"
        assert types_of(bob.join("bob", "alice")) == ["joined", "roomInfo"]
        assert types(alice, 2) == ["ready", "roomInfo"]
        talk(alice, bob)
    wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def types_of(replies: list[dict[str, object]]) -> list[object]:
    return [reply["type"] for reply in replies]


def test_order_is_kept_across_hosts(one: Server, other: Server):
    alice, bob = meet_across(one, other, "orderly", "reader")
    with alice, bob:
        for number in range(190):
            alice.send(type="message", data=number)
        alice.send(type="bye")
        assert [bob.receive()["data"] for _ in range(190)] == list(range(190))
        assert types(bob, 2) == ["bye", "roomInfo"]


def test_a_newer_connection_at_another_host_replaces_the_old_one(one: Server, other: Server):
    alice, bob = meet_across(one, other, "mover", "stays")
    with alice, bob, Client(other) as again:
        assert types_of(again.join("mover", "stays")) == ["joined", "roomInfo"]
        assert alice.receive() == {
            "type": "error",
            "message": "You have been disconnected due to a new connection from your account",
            "code": "replaced",
        }
        assert alice.closed()[0] == 4001
        assert types(bob, 2) == ["ready", "roomInfo"]
        talk(again, bob)
        assert bob.quiet(), "no bye for the one replaced, then or later"


def test_joining_another_pair_leaves_the_room_at_the_other_host(one: Server, other: Server):
    alice, bob = meet_across(one, other, "fickle", "left")
    with alice, bob, Client(other) as carol:
        carol.join("carol", "fickle")
        alice.send(type="join", userId="fickle", remoteId="carol")
        assert types(alice, 2) == ["joined", "roomInfo"]
        assert types(bob, 2) == ["bye", "roomInfo"]
        assert types(carol, 2) == ["ready", "roomInfo"]
        talk(alice, carol)


def test_racing_joins_at_two_hosts_make_exactly_one_initiator(one: Server, other: Server):
    async def race() -> None:
        here, there = await open_all(one, 40), await open_all(other, 40)
        await asyncio.gather(
            *(socket.send(join(f"h{n}", f"t{n}")) for n, socket in enumerate(here)),
            *(socket.send(join(f"t{n}", f"h{n}")) for n, socket in enumerate(there)),
        )
        for mine, yours in zip(*(await settle_across(here, there)), strict=True):
            heard = sorted([[r["type"] for r in mine], [r["type"] for r in yours]])
            assert heard == [["created", "roomInfo", "ready", "roomInfo"], ["joined", "roomInfo"]]
        await asyncio.gather(*(socket.close() for socket in here + there))

    run(race())


async def settle_across(here, there):
    """All that is heard on both sides, news that crosses the hosts included."""
    first = await asyncio.gather(settle(here), settle(there))
    # What crosses is on its way for a moment after each side's own pong.
    rest: list[list[list[dict[str, object]]]] = [[[] for _ in here], [[] for _ in there]]
    for _ in range(200):
        mine = [sum(map(len, side)) for side in (first[0], rest[0], first[1], rest[1])]
        if sum(mine) >= 6 * len(here):
            break
        for side, sockets in enumerate((here, there)):
            for heard, news in zip(rest[side], await asyncio.gather(*map(everything, sockets)), strict=True):
                heard += news
    return [[a + b for a, b in zip(first[side], rest[side], strict=True)] for side in (0, 1)]


def test_twelve_racing_duplicates_at_two_hosts_leave_one(one: Server, other: Server, redis: Redis):
    async def race() -> None:
        sockets = await open_all(one, 6) + await open_all(other, 6)
        await asyncio.gather(*(socket.send(join("twin", "waits")) for socket in sockets))
        out: set[int] = set()
        for _ in range(100):
            heard = await settle(sockets)
            out |= {n for n, replies in enumerate(heard) if any(r.get("code") == "replaced" for r in replies)}
            if len(out) == 11:
                break
        assert len(out) == 11
        [winner] = [socket for n, socket in enumerate(sockets) if n not in out]
        with Client(other) as peer:
            _, info = peer.join("waits", "twin")
            assert info["userCount"] == 2
            assert json.loads(await winner.recv())["type"] == "ready"
        await asyncio.gather(*(socket.close() for socket in sockets))

    run(race())
    wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_a_worker_that_is_told_to_stop_says_so_to_the_peers_of_its_clients(one: Server, redis: Redis):
    with host(redis.url) as short:
        alice, bob = meet_across(one, short, "keeps", "restarts")
        with alice, bob:
            short.signal(signal.SIGTERM)
            assert bob.closed()[0] == 1012
            bye = alice.receive()
            assert (bye["type"], bye["userId"], bye["reason"]) == ("bye", "restarts", "lost")
            assert short.wait() == 0
            wait_until(lambda: len(redis.ask("HKEYS", "signaling:{0}:workers")) == 3)


def test_workers_of_one_host_restart_one_after_another_and_the_others_calls_go_on(redis: Redis):
    with host(redis.url, WEB_CONCURRENCY=2, SIGNALING_NODE_TIMEOUT=60) as server:
        server.wait_for_log("Connected to Redis", 1 + server.log.index(server.wait_for_log("Connected to Redis")))
        clients = [Client(server) for _ in range(40)]
        old = workers(server.process.pid)
        before = len(server.log)
        command = [sys.executable, "-m", "signaling.restart", str(server.process.pid)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as restart:
            server.wait_for_log(rf"Worker exiting \(pid: {old[0]}\)", before)
            server.wait_for_log(rf"Worker exiting \(pid: {old[1]}\)", before)
            assert restart.stdout is not None
            assert restart.stdout.read().splitlines() == [
                f"Restarting worker {worker}, {number} of 2" for number, worker in enumerate(old, 1)
            ]
        assert restart.returncode == 0
        assert not set(workers(server.process.pid)) & set(old)
        assert {client.closed()[0] for client in clients} == {1012}
        with Client(server) as late, Client(server) as later:
            late.join("late", "later")
            assert types_of(later.join("later", "late")) == ["joined", "roomInfo"]


def test_a_worker_that_restarts_leaves_the_others_calls_alone(redis: Redis):
    with host(redis.url, WEB_CONCURRENCY=2, SIGNALING_NODE_TIMEOUT=60) as server:
        server.wait_for_log("Connected to Redis", 1 + server.log.index(server.wait_for_log("Connected to Redis")))
        groups = by_worker(server, redis, 40)
        assert len(groups) == 2
        pairs = {worker: list(zip(clients[::2], clients[1::2], strict=False)) for worker, clients in groups.items()}
        for worker, calls in pairs.items():
            for number, (first, second) in enumerate(calls):
                first.join(f"{worker}-a{number}", f"{worker}-b{number}")
                second.join(f"{worker}-b{number}", f"{worker}-a{number}")
                assert types(first, 2) == ["ready", "roomInfo"]
                talk(first, second)
        before = len(server.log)
        # gunicorn's master starts another in its place.
        os.kill(server.worker, signal.SIGTERM)
        server.wait_for_log("Worker exiting", before)
        server.wait_for_log("Connected to Redis", before)
        [stays] = [worker for worker in groups if f"signaling:{{0}}:connections:{worker}" in redis.names()]
        [goes] = groups.keys() - {stays}
        for first, second in pairs[stays]:
            talk(first, second)
        assert {client.closed()[0] for client in groups[goes]} == {1012}
        for client in groups[stays]:
            client.vanish()


def by_worker(server: Server, redis: Redis, count: int) -> dict[str, list[Client]]:
    """Return that many clients by the worker that each came to, each in a room of its own."""
    clients = {}
    for number in range(count):
        client = Client(server)
        _, info = client.join(f"by-{number}", "nobody")
        clients[info["users"][0]["id"]] = client
    groups: dict[str, list[Client]] = {}
    for key in redis.names():
        if ":connections:" in key:
            ids = redis.ask("HKEYS", key)
            assert isinstance(ids, list)
            groups[key.rpartition(":")[2]] = [clients[id_.decode()] for id_ in ids]
    return groups


def test_there_is_a_worker_for_each_core_and_connections_are_spread_over_them(redis: Redis):
    cores = len(os.sched_getaffinity(0))
    with Server(SIGNALING_REDIS_URL=redis.url) as server:
        pids = {int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", "\n".join(server.log))}
        assert len(pids) == cores
        since = 0
        for _ in range(cores):
            since = 1 + server.log.index(server.wait_for_log("Connected to Redis", since), since)
        groups = by_worker(server, redis, 60 * cores)
        assert len(groups) == cores, "each has some; how many is the kernel's affair"
        for client in itertools.chain(*groups.values()):
            client.vanish()
