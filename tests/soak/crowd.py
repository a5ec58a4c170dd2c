"""Thousands of connections over two workers that share a Redis, while one of the workers is killed.

``python -m tests.soak.crowd`` takes ten thousand for a minute; it exits with 1 when the server is at fault.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import os
import random
import resource
import signal
import sys
import time
from collections import defaultdict
from typing import Any

import msgspec

from signaling.rooms.redis.scripts import Seat
from tests.driver import Server
from tests.redis_server import Redis, redis_server
from tests.soak.crowd_pair import CrowdPair
from tests.soak.crowd_user import CrowdUser
from tests.soak.results import Results
from tests.soak.soak import faults_in_log
from tests.soak.throttle import Throttle
from tests.soak.vitals import children
from tests.waiting import TIMEOUT

WORKERS = 2
MEETING_AT_ONCE = 50
"""How many pairs meet at a time."""

EXCUSED_SECONDS = TIMEOUT / 4
"""For so long after a worker is killed its connections may end; thousands are not noticed at once."""

MAX_FAULTS = 20
_LOOK_SECONDS = 0.2

SETTINGS: dict[str, Any] = {
    "WEB_CONCURRENCY": WORKERS,
    "SIGNALING_NODE_TIMEOUT": 10,
    # All of them find room in the worker that lives.
    "SIGNALING_MAX_CONNECTIONS": 15_000,
}

_decode_seat = msgspec.msgpack.Decoder(Seat).decode


def crowd(connections: int, seconds: float, seed: int) -> list[str]:
    """Run with so many for so long, printing figures, and return the faults of the server."""
    print(f"seed {seed}, {connections} connections, {seconds:g} seconds", flush=True)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with redis_server() as redis, Server(SIGNALING_REDIS_URL=redis.url, **SETTINGS) as server:
        return asyncio.run(Crowd(server, redis, connections // 2, seed).run(seconds))


class Crowd:
    """One run against a server and a Redis, which are nobody else's.

    Attributes:
        users: all that there ever were, by their ids.
        newest: of each user, who came last.
    """

    def __init__(self, server: Server, redis: Redis, pairs: int, seed: int) -> None:
        self.results = Results()
        self.users: dict[str, CrowdUser] = {}
        self.newest: dict[str, CrowdUser] = {}
        self._server, self._redis, self._count, self._seed = server, redis, pairs, seed
        # So many cannot be in a hurry.
        self._throttle = Throttle(*children(server.process.pid), pause=min(20.0, pairs / 200))
        self._meeting = asyncio.Semaphore(MEETING_AT_ONCE)
        self._numbers = itertools.count()
        self._all_met = asyncio.Barrier(pairs + 1)
        self._excused = 0.0

    def excuses(self) -> bool:
        """Tell if a connection may end now that nobody closed."""
        return time.monotonic() < self._excused

    async def run(self, seconds: float) -> list[str]:
        """Connect all, let them live, kill a worker in the middle, and look who is left where."""
        lives = [asyncio.create_task(self._live()) for _ in range(self._count)]
        await self._all_met.wait()
        self._print("all have met")
        # To look through so many objects again and again would stop everybody for seconds.
        gc.collect()
        gc.disable()
        regulator = asyncio.create_task(self._throttle.regulate())
        await self._go_on(seconds / 2)
        await self._kill_one()
        await self._go_on(seconds / 2)
        self._throttle.over.set()
        pairs = await asyncio.gather(*lives)
        await regulator
        self._print("all stand still")
        await asyncio.gather(*(pair.settle() for pair in pairs))
        await self._agree("at the end")
        await asyncio.gather(*(pair.part() for pair in pairs))
        await self._agree("when all are gone")
        self._print("all are gone")
        gc.enable()
        self.results.faults += faults_in_log(self._server)
        return self.results.faults

    async def _live(self) -> CrowdPair:
        """One pair after the other; return the last, as it is when time is over."""
        pair = await self._meet()
        await self._all_met.wait()
        while True:
            try:
                await pair.live()
            except Exception as fault:
                self.results.note(f"pair {pair.number} after {pair.history}: {fault!r}")
            if self._throttle.over.is_set():
                return pair
            pair = await self._meet()

    async def _meet(self) -> CrowdPair:
        number = next(self._numbers)
        pair = CrowdPair(self, self._server.port, self._throttle, number, random.Random(f"{self._seed} {number}"))
        try:
            async with self._meeting:
                await pair.meet()
        except Exception as fault:
            self.results.note(f"pair {number} does not meet: {fault!r}")
        return pair

    async def _go_on(self, seconds: float) -> None:
        """Let them live for so long, unless there are too many faults."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._throttle.over.is_set():
            await self._throttle.wait(min(1.0, end - time.monotonic()))
            if len(self.results.faults) >= MAX_FAULTS:
                self._throttle.over.set()

    async def _kill_one(self) -> None:
        before = children(self._server.process.pid)
        self._excused = time.monotonic() + EXCUSED_SECONDS
        os.kill(before[0], signal.SIGKILL)
        self._print(f"worker {before[0]} is killed")
        async with asyncio.timeout(TIMEOUT):
            while before[0] in (now := children(self._server.process.pid)) or len(now) < WORKERS:
                await asyncio.sleep(_LOOK_SECONDS)
        self._throttle.workers = tuple(now)

    async def _agree(self, when: str) -> None:
        """Wait until Redis has in its rooms whoever is in one, and nobody else."""
        here = {user.id for user in self.users.values() if user.joined and not user.over}
        limit = time.monotonic() + TIMEOUT
        while faults := await asyncio.to_thread(audit, self._redis, here):
            if time.monotonic() > limit:
                self.results.faults += [f"{when}: {fault}" for fault in faults]
                return
            await asyncio.sleep(_LOOK_SECONDS)
        print(f"{when}: {len(here)} in {len(rooms(self._redis))} rooms", flush=True)

    def _print(self, what: str) -> None:
        open_ = sum(not user.over for user in self.users.values())
        print(self.results.line(open=open_, faults=len(self.results.faults)), what, sep=": ", flush=True)


def audit(redis: Redis, here: set[str]) -> list[str]:
    """Hold what Redis has against who is in a room; return what is wrong."""
    seats = {room: [_decode_seat(seat) for seat in found] for room, found in rooms(redis).items()}
    workers = {name.decode() for name in _ask(redis, "HKEYS", "signaling:{0}:workers")} - {""}
    indexes = {
        key.rpartition(":")[2]: {id_.decode() for id_ in _ask(redis, "HKEYS", key)}
        for key in _keys(redis, "connections")
    }
    by_worker = defaultdict[str, set[str]](set)
    for seat in itertools.chain(*seats.values()):
        by_worker[seat.worker].add(seat.id)
    seated = set[str]().union(*by_worker.values())
    return [
        *(f"{room} has {len(found)} seats" for room, found in seats.items() if len(found) not in (1, 2)),
        *_named("in a room in Redis and not connected", seated - here),
        *_named("joined and in no room in Redis", here - seated),
        *[f"there are the workers {workers}"] * (len(workers) != WORKERS),
        *(f"seats of {worker}, which is not alive" for worker in by_worker.keys() - workers),
        *(
            f"the index of {worker} is not what the rooms say"
            for worker in by_worker.keys() | indexes.keys()
            if by_worker[worker] != indexes.get(worker, set())
        ),
    ]


def _named(what: str, who: set[str]) -> list[str]:
    return [f"{len(who)} are {what}, such as {min(who)}"] if who else []


def rooms(redis: Redis) -> dict[str, list[bytes]]:
    """Return the seats of each room in Redis."""
    script = "local found = {} for _, key in ipairs(redis.call('KEYS', ARGV[1])) do "
    script += "found[#found + 1] = {key, redis.call('HVALS', key)} end return found"
    found: list[Any] = _ask(redis, "EVAL", script, "0", "signaling:{0}:room:*")
    return {key.decode(): seats for key, seats in found}


def _keys(redis: Redis, kind: str) -> list[str]:
    return [key.decode() for key in _ask(redis, "KEYS", f"signaling:{{0}}:{kind}:*")]


def _ask(redis: Redis, *command: str) -> list[Any]:
    found = redis.ask(*command)
    assert isinstance(found, list)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.crowd", description="Thousands come and go at two workers."
    )
    parser.add_argument("--connections", type=int, default=10_000, help="how many at a time (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of all that is random in it")
    options = parser.parse_args()
    faults = crowd(options.connections, options.seconds, options.seed)
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{len(faults)} faults" if faults else "No fault: everybody is where they are.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
