"""What breaks, one function for each kind. When it returns, nothing is broken any more by its doing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import hiredis

from tests.soak.vitals import children

if TYPE_CHECKING:
    from tests.chaos.run import ChaosRun

REDIS_SECONDS = (1.0, 5.0)
WORKER_SECONDS = (1.0, 15.0)
SLOW_SECONDS = (0.1, 0.5)

# A script has no clock: TIME stands still in it.
_BUSY = "for _ = 1, tonumber(ARGV[1]) do end return 1"
_TRIAL_LOOPS = 10_000_000
_BUSY_REPLY_SECONDS = 5.0

_NOBODY_LISTENS = "1"


@dataclass(frozen=True)
class Fault:
    """One kind.

    Attributes:
        kind: two of different kinds may happen at the same time.
        run: breaks something, and mends it; returns details.
    """

    name: str
    kind: Literal["client", "redis", "worker"]
    run: Callable[[ChaosRun, random.Random], Awaitable[str]]


async def _ask(run: ChaosRun, *command: str) -> object:
    return await asyncio.to_thread(run.redis.ask, *command)


async def kill_clients(run: ChaosRun, dice: random.Random) -> str:
    """A third of all connections drop at once, half of them with a reset."""
    open_ = [c for pair in run.pairs for user in pair.users for c in user.live]
    chosen = dice.sample(open_, len(open_) // 3)
    for connection in chosen:
        connection.drop(reset=dice.random() < 0.5)
    return f"{len(chosen)} connections"


async def reset_client(run: ChaosRun, dice: random.Random) -> str:
    open_ = [c for pair in run.pairs for user in pair.users for c in user.live]
    if not open_:
        return "nobody"
    connection = dice.choice(open_)
    connection.drop(reset=True)
    return connection.label


async def flush_scripts(run: ChaosRun, dice: random.Random) -> str:
    await _ask(run, "SCRIPT", "FLUSH")
    return ""


async def flush_all(run: ChaosRun, dice: random.Random) -> str:
    await _ask(run, "FLUSHALL")
    return ""


async def stop_redis(run: ChaosRun, dice: random.Random) -> str:
    seconds = dice.uniform(*REDIS_SECONDS)
    run.redis.hold()
    try:
        await asyncio.sleep(seconds)
    finally:
        run.redis.go_on()
    return f"{seconds:.1f} s"


async def busy_redis(run: ChaosRun, dice: random.Random) -> str:
    seconds = dice.uniform(*REDIS_SECONDS)
    begin = time.monotonic()
    await _ask(run, "EVAL", _BUSY, "0", f"{_TRIAL_LOOPS}")
    loops = seconds / (time.monotonic() - begin) * _TRIAL_LOOPS
    begin = time.monotonic()
    script = asyncio.create_task(_ask(run, "EVAL", _BUSY, "0", f"{loops:.0f}"))
    # Where others use the processor too it would take longer. From then on Redis lets a script be killed.
    await asyncio.wait([script], timeout=_BUSY_REPLY_SECONDS)
    while not script.done():
        with suppress(hiredis.ReplyError):
            await _ask(run, "SCRIPT", "KILL")
        await asyncio.wait([script], timeout=0.1)
    with suppress(hiredis.ReplyError):
        script.result()
    return f"{time.monotonic() - begin:.1f} s"


async def fill_redis(run: ChaosRun, dice: random.Random) -> str:
    seconds = dice.uniform(*REDIS_SECONDS)
    await _ask(run, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        await asyncio.sleep(seconds)
    finally:
        await _ask(run, "CONFIG", "SET", "maxmemory", "0")
    return f"{seconds:.1f} s"


async def read_only_redis(run: ChaosRun, dice: random.Random) -> str:
    seconds = dice.uniform(*REDIS_SECONDS)
    await _ask(run, "REPLICAOF", "127.0.0.1", _NOBODY_LISTENS)
    try:
        await asyncio.sleep(seconds)
    finally:
        await _ask(run, "REPLICAOF", "NO", "ONE")
    return f"{seconds:.1f} s"


async def restart_redis(run: ChaosRun, dice: random.Random) -> str:
    seconds = dice.uniform(0, 3)
    await asyncio.to_thread(run.redis.end)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(run.redis.start)
    return f"empty, after {seconds:.1f} s"


async def kill_links(run: ChaosRun, dice: random.Random) -> str:
    """The workers' connections to Redis end."""
    killed = 0
    for type_ in ("normal", "pubsub"):
        with suppress(hiredis.ReplyError):
            count = await _ask(run, "CLIENT", "KILL", "TYPE", type_)
            assert isinstance(count, int)
            killed += count
    return f"{killed} connections"


async def slow_link(run: ChaosRun, dice: random.Random) -> str:
    """What the first host and Redis send each other takes its time."""
    delay, seconds = dice.uniform(*SLOW_SECONDS), dice.uniform(*REDIS_SECONDS)
    run.cable.delay = delay
    try:
        await asyncio.sleep(seconds)
    finally:
        run.cable.delay = 0.0
    return f"{delay:.1f} s, for {seconds:.1f} s"


async def cut_link(run: ChaosRun, dice: random.Random) -> str:
    """Nothing passes between the first host and Redis, and neither is told."""
    seconds = dice.uniform(*WORKER_SECONDS)
    run.cable.pull()
    try:
        await asyncio.sleep(seconds)
    finally:
        run.cable.plug()
    return f"{seconds:.1f} s"


async def stop_worker(run: ChaosRun, dice: random.Random) -> str:
    host, seconds = dice.randrange(len(run.hosts)), dice.uniform(*WORKER_SECONDS)
    pid = worker(run, host)
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    return f"host {host}, {seconds:.1f} s"


async def kill_worker(run: ChaosRun, dice: random.Random) -> str:
    return await _end_worker(run, dice, signal.SIGKILL)


async def terminate_worker(run: ChaosRun, dice: random.Random) -> str:
    return await _end_worker(run, dice, signal.SIGTERM)


async def _end_worker(run: ChaosRun, dice: random.Random, number: signal.Signals) -> str:
    host = dice.randrange(len(run.hosts))
    run.round.ended.add(host)
    os.kill(worker(run, host), number)
    return f"host {host}"


def worker(run: ChaosRun, host: int) -> int:
    """Return the process id of a host's worker."""
    return children(run.hosts[host].process.pid)[0]


FAULTS = [
    Fault("clients killed", "client", kill_clients),
    Fault("a client reset", "client", reset_client),
    Fault("SCRIPT FLUSH", "redis", flush_scripts),
    Fault("FLUSHALL", "redis", flush_all),
    Fault("Redis stands still", "redis", stop_redis),
    Fault("Redis is busy", "redis", busy_redis),
    Fault("Redis has no memory", "redis", fill_redis),
    Fault("Redis is read-only", "redis", read_only_redis),
    Fault("Redis restarts", "redis", restart_redis),
    Fault("links killed", "redis", kill_links),
    Fault("a link is slow", "redis", slow_link),
    Fault("a link is cut", "redis", cut_link),
    Fault("a worker stands still", "worker", stop_worker),
    Fault("a worker is killed", "worker", kill_worker),
    Fault("a worker is told to end", "worker", terminate_worker),
]
