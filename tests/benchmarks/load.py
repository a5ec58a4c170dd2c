"""The load: one job in a process of its own, so that its CPU is not the server's.

The job is JSON in the first argument; what it measured is printed as JSON. CPU and memory are those of the process
trees under the `pids` and `redis` of a server, where it has them. For example:

    python load.py '{"kind": "relay", "servers": [{"urls": ["ws://127.0.0.1:8443/"], "pids": [4711]}], "seconds": 2}'
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import mean
from typing import Any

import usage
import uvloop
from connections import MICROSECONDS, Client, Load, spent
from payloads import PAYLOADS
from picows import WSError
from servers import client_core

SETTLE_SECONDS = 6
QUIET_SECONDS = 0.05
RESULT = dict[str, Any]


async def relay(
    load: Load,
    pairs: int = 50,
    payload: str = "candidate",
    idle: Sequence[int] = (0,),
    warm: float = 1,
    seconds: float = 3,
) -> RESULT:
    """Ping-pong: one message in flight in each pair; measured beside each number of idle joined connections."""
    data = PAYLOADS[payload]
    opened = await load.open(pairs)
    steps: list[RESULT] = []
    beside = 0
    for count in idle:
        await load.open((count - beside) // 2)
        beside = count
        quiet_collector()
        _begin(opened, data)
        await load.hold(warm)
        step = await load.measured(seconds)
        _cease(opened)
        # The cost of a server elsewhere is not seen: it is 0.
        alone = (steps or [step])[0]["cost_us"]
        steps.append(step | {"idle": count, "growth": step["cost_us"] / alone if alone else 1.0})
    return {"steps": steps}


async def alternate(
    *loads: Load, pairs: int = 50, payload: str = "candidate", turns: int = 15, seconds: float = 0.4
) -> RESULT:
    """Ping-pong at several servers in turns, each shorter than the speed of a shared machine holds still.

    One step for each server: its cost over all its turns.
    """
    data = PAYLOADS[payload]
    opened = [await load.open(pairs) for load in loads]
    quiet_collector()
    measured: list[list[RESULT]] = [[] for _ in loads]
    for turn in range(turns + 1):
        # Each is as often the first as it is the last.
        for at in range(len(loads))[:: -1 if turn % 2 else 1]:
            load = loads[at]
            _begin(opened[at], data)
            await load.hold(QUIET_SECONDS)
            step = await load.measured(seconds)
            _cease(opened[at])
            await load.hold(QUIET_SECONDS)
            # The first turn warms up.
            if turn:
                measured[at].append(step)
    return {"steps": [_together(steps) for steps in measured]}


def _together(steps: list[RESULT]) -> RESULT:
    """Several turns, all equally long, as one."""
    rate, busy = mean(step["rate"] for step in steps), mean(step["server_busy"] for step in steps)
    limits = [step["limit"] for step in steps]
    return {"cost_us": busy / rate * MICROSECONDS, "rate": rate, "limit": max(set(limits), key=limits.count)}


def _begin(pairs: Iterable[tuple[Client, Client]], data: bytes) -> None:
    """Let one message go to and fro in each pair."""
    for pair in pairs:
        for client in pair:
            client.expect(len(data), partial(client.send, data))
        pair[0].send(data)


def _cease(pairs: Iterable[tuple[Client, Client]]) -> None:
    """Let all clients fall silent."""
    for client in itertools.chain(*pairs):
        client.expect(0, _nothing)


def _nothing() -> None:
    pass


async def connect(load: Load, pairs: int = 500, warm_pairs: int = 100) -> RESULT:
    """Connect and join, a new session for each where there is TLS; the pairs stay open."""
    await load.open(warm_pairs)
    before = load.mark()
    await load.open(pairs)
    return {"steps": [spent(before, load.mark(), 2 * pairs)]}


async def memory(load: Load, pairs: int = 5000, warm_pairs: int = 50) -> RESULT:
    """Growth of the server's PSS for each joined connection, in KiB."""
    await load.open(warm_pairs)
    before = await _settled_memory(load)
    await load.open(pairs)
    after = await _settled_memory(load)
    return {"steps": [{"kib": (after - before) / (2 * pairs) / 1024, "start_mib": before / 1024 / 1024}]}


async def _settled_memory(load: Load) -> int:
    """The PSS in bytes once it holds still for a second, or after some seconds all the same."""
    now = 0
    for _ in range(SETTLE_SECONDS):
        last, now = now, usage.memory_bytes([*load.pids, *load.redis])
        if abs(now - last) < 0.002 * now:
            break
        await load.hold(1)
    return now


async def paced(
    load: Load,
    rates: Sequence[float],
    pairs: int = 50,
    payload: str = "candidate",
    warm: float = 1,
    seconds: float = 3,
) -> RESULT:
    """Open loop: messages fall due at random (Poisson) at each rate, whether or not earlier ones have arrived.

    Latency counts from the moment a message was due, so a server that stalls pays for all that fell due meanwhile.
    The client spins to send in time, so its core is full unless something else took it: then neither side is the limit.
    It is the limit itself where the 99th percentile of its lateness, `late_us`, is over a quarter of the latency's.
    """
    data = PAYLOADS[payload]
    clients = [client for pair in await load.open(pairs) for client in pair]
    due = {client: deque[float]() for client in clients}  # of the messages under way to each
    latencies, lateness = list[float](), list[float]()
    clock = time.perf_counter

    def arrival(client: Client) -> Callable[[], None]:
        oldest = due[client].popleft
        return lambda: latencies.append(clock() - oldest())

    for client in clients:
        client.expect(len(data), arrival(client))
    turns = itertools.cycle((client.send, due[client.peer].append) for client in clients)
    rate, upcoming = 0.0, 0.0

    def spin() -> None:
        nonlocal upcoming
        now = clock()
        while rate and upcoming <= now:
            send, note = next(turns)
            note(upcoming)
            send(data)
            lateness.append(now - upcoming)
            upcoming += random.expovariate(rate)
        if rate:
            load.loop.call_soon(spin)

    quiet_collector()
    steps = []
    for offered in rates:
        rate, upcoming = offered, clock()
        spin()
        await load.hold(warm)
        latencies.clear()
        lateness.clear()
        step = await load.measured(seconds)
        rate = 0.0
        p50, p99, late = _quantile(latencies, 0.50), _quantile(latencies, 0.99), _quantile(lateness, 0.99)
        limit = "neither" if step["client_busy"] < 0.90 else "client" if late > p99 / 4 else "server"
        steps.append(step | {"limit": limit, "offered": offered, "p50_us": p50, "p99_us": p99, "late_us": late})
        await load.hold(0.3)  # what is under way arrives
    return {"steps": steps}


def _quantile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(share * len(seconds))] * MICROSECONDS


def quiet_collector() -> None:
    """Keep the client's own garbage collector out of what is measured."""
    gc.collect()
    gc.disable()


KINDS: dict[str, Callable[..., Any]] = {
    "relay": relay,
    "alternate": alternate,
    "connect": connect,
    "memory": memory,
    "paced": paced,
}


async def run(kind: str, servers: Sequence[dict[str, Any]], **job: Any) -> RESULT:
    result: RESULT = await KINDS[kind](*(Load(**server) for server in servers), **job)
    return result


if __name__ == "__main__":
    if (core := client_core()) is not None:
        os.sched_setaffinity(0, {core})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        print(json.dumps(uvloop.run(run(**json.loads(sys.argv[1])))), flush=True)
    except (RuntimeError, OSError, WSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)  # the kernel closes thousands of connections faster than the loop
