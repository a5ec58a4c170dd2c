"""The load: one job in a process of its own, so that its CPU is not the server's.

The job is JSON in the first argument; the steps it measured are printed as JSON, a list for each server. CPU and memory
are those of the process trees under the `pids` and `redis` of a server, where it has them. For example:

    python load.py '{"kind": "relay", "servers": [{"urls": ["ws://127.0.0.1:8443/"], "pids": [4711]}], "turns": 5}'
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ssl import SSLSession
from typing import Any

import usage
import uvloop
from connections import MICROSECONDS, Load, Span, limited, relayed, spent
from newcomers import Newcomer, crowd
from ongoing import Ongoing
from picows import WSError
from servers import client_core
from traffic import Rally, Stream, Traffic, quantile

SETTLE_SECONDS = 6
QUIET_SECONDS = 0.1
NEWCOMERS = 20  # at a time, where they are no storm
CANDIDATES = 20  # of each end of a call
CALLS = 50  # at a time, as many as pairs that relay: a server that lacks work is not at its best
MILLISECONDS = 1e3
Steps = list[dict[str, Any]]


async def relay(
    *loads: Load, pairs: int = 50, payload: str = "candidate", idle: Sequence[int] = (0,), **turns: float
) -> list[Steps]:
    """As many messages as go, one in flight in each pair; at the first server beside each number of others, idle."""
    rallies = [Rally(load, await load.open(pairs), payload) for load in loads]
    steps: list[Steps] = [[] for _ in loads]
    beside = 0
    for count in idle:
        await loads[0].open((count - beside) // 2)
        beside = count
        measured = await _in_turns(rallies, **turns)
        # The cost of a server elsewhere is not seen: it is 0.
        alone = measured[-1]["cost_us"]
        for before, step in zip(steps, measured, strict=True):
            before.append(step | {"idle": count, "growth": step["cost_us"] / alone if alone else 1.0})
    return steps


async def paced(
    *loads: Load, rates: Sequence[float], pairs: int = 50, payload: str = "candidate", **turns: float
) -> list[Steps]:
    """Messages at each of the rates.

    The client spins, so its core is full unless something else took it: then neither side is the limit. It is the limit
    itself where the 99th percentile of its lateness, `late_us`, is over a quarter of the latency's.
    """
    streams = [Stream(load, await load.open(pairs), payload) for load in loads]
    steps: list[Steps] = [[] for _ in loads]
    for rate in rates:
        for stream in streams:
            stream.rate = rate
        for before, step in zip(steps, await _in_turns(streams, **turns), strict=True):
            late = step["late_us"] > step["p99_us"] / 4
            limit = "neither" if step["client_busy"] < 0.90 else "client" if late else "server"
            before.append(step | {"limit": limit})
    return steps


async def _in_turns(
    traffics: Sequence[Traffic], warm: float = 1.0, turns: int = 10, seconds: float = 0.3
) -> list[dict[str, Any]]:
    """Let each go on for `seconds` at a time, while the others are silent: what all its turns measured together.

    The speed of a shared machine drifts; in turns as short as these all get the same of it.
    """
    quiet_collector()
    spans: list[list[Span]] = [[] for _ in traffics]
    for traffic in traffics:
        traffic.begin()
        await traffic.load.hold(warm)
        traffic.cease()
        await traffic.load.hold(QUIET_SECONDS)
        traffic.forget()
    for turn in range(turns):
        # Each is as often the first as it is the last.
        for at in range(len(traffics))[:: -1 if turn % 2 else 1]:
            traffic = traffics[at]
            traffic.begin()
            spans[at].append(await traffic.load.span(seconds))
            traffic.cease()
            # What is under way arrives.
            await traffic.load.hold(QUIET_SECONDS)
    return [relayed(of_one) | traffic.noted() for of_one, traffic in zip(spans, traffics, strict=True)]


async def connect(*loads: Load, pairs: int = 500, turns: int = 10, warm_pairs: int = 100) -> list[Steps]:
    """Connect and join, a new session for each where there is TLS; the pairs stay open."""
    spans = await _each_in_turns([load.open for load in loads], loads, pairs, turns, warm_pairs)
    return [[spent(of_one, 2 * (pairs // turns) * turns)] for of_one in spans]


async def call(*loads: Load, calls: int = 400, turns: int = 10, warm_calls: int = 100) -> list[Steps]:
    """All the signaling of a call, from its first connection to the end of its last."""
    spans = await _each_in_turns(
        [partial(load.each, once=partial(_call, load), lanes=CALLS) for load in loads], loads, calls, turns, warm_calls
    )
    steps = [spent(of_one, (calls // turns) * turns) for of_one in spans]
    return [[step | {"calls": MICROSECONDS / step["cost_us"]}] for step in steps]


async def _call(load: Load, number: int) -> None:
    """Each step begins when the other side has got the one before."""
    caller, callee = await load.pair(number)
    for client in (caller, callee):
        await client.say(client.payload("offer"))
    for _ in range(CANDIDATES):
        for client in (caller, callee):
            await client.say(client.payload("candidate"))
    await caller.hang_up()


async def _each_in_turns(
    acts: Sequence[Callable[[int], Awaitable[Any]]], loads: Sequence[Load], count: int, turns: int, warm: int
) -> list[list[Span]]:
    """Do each act `count` times, a part of that in each turn."""
    for act in acts:
        await act(warm)
    spans: list[list[Span]] = [[] for _ in loads]
    for turn in range(turns):
        for at in range(len(loads))[:: -1 if turn % 2 else 1]:
            before = loads[at].mark()
            await acts[at](count // turns)
            await loads[at].hold(QUIET_SECONDS)
            spans[at].append(Span(before, loads[at].mark()))
    return spans


async def resume(*loads: Load, clients: int = 1000, turns: int = 10, tickets: int = 20) -> list[Steps]:
    """Connect and join over TLS, with a session to resume and with a new one; all stay open."""
    # A ticket is good as long as the connection is open that it came with.
    givers = [await crowd(load, tickets, NEWCOMERS) for load in loads]
    twice, acts = [load for load in loads for _ in range(2)], []
    came: list[list[Newcomer]] = [[] for _ in twice]
    for load, of_load, resumed, new in zip(loads, givers, came[::2], came[1::2], strict=True):
        acts.append(partial(_come, load, [giver.session for giver in of_load], resumed))
        acts.append(partial(_come, load, [None], new))
    spans = await _each_in_turns(acts, twice, clients, turns, warm=100)
    steps = []
    for of_resumed, of_new, resumed in zip(spans[::2], spans[1::2], came[::2], strict=True):
        step, new_step = (spent(of_one, (clients // turns) * turns) for of_one in (of_resumed, of_new))
        step["new_cost_us"] = new_step["cost_us"]
        step["of_new"] = step["cost_us"] / new_step["cost_us"]
        step["resumed"] = 100 * sum(newcomer.resumed for newcomer in resumed) / len(resumed)
        steps.append([step])
    return steps


async def _come(load: Load, sessions: Sequence[SSLSession | None], came: list[Newcomer], count: int) -> None:
    came += await crowd(load, count, NEWCOMERS, sessions)


async def storm(
    *loads: Load, clients: int = 10000, calls: int = 10, before: float = 3.0, warm: int = 200
) -> list[Steps]:
    """Many clients come at once, TLS handshakes and joins, beside calls that go on."""
    steps: list[Steps] = []
    for load in loads:
        for newcomer in await crowd(load, warm):
            newcomer.leave()
        ongoing = await Ongoing.start(load, calls)
        await load.hold(before)
        begin = load.mark()
        await crowd(load, clients)
        span = Span(begin, load.mark())
        noted = await ongoing.end()
        start, end = span.before.at, span.after.at
        quiet, stormy = (
            {kind: [took for at, took in noted[kind] if since <= at < until] for kind in noted}
            for since, until in ((start - before, start), (start, end))
        )
        step = limited(spent([span], clients)) | {"seconds": span.of("at")}
        for name, seconds in (
            ("before", quiet["messages"]),
            ("during", stormy["messages"]),
            ("health", stormy["health"]),
            ("echo", stormy["echo"]),
        ):
            for figure, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
                step[f"{name}_{figure}_ms"] = quantile(seconds, share) * MILLISECONDS
        steps.append([step])
    return steps


async def memory(*loads: Load, pairs: int = 5000, warm_pairs: int = 50) -> list[Steps]:
    """Growth of the server's PSS for each joined connection, in KiB."""
    steps: list[Steps] = []
    for load in loads:
        await load.open(warm_pairs)
        before = await _settled_memory(load)
        await load.open(pairs)
        after = await _settled_memory(load)
        steps.append([{"kib": (after - before) / (2 * pairs) / 1024, "start_mib": before / 1024 / 1024}])
    return steps


async def _settled_memory(load: Load) -> int:
    """The PSS in bytes once it holds still for a second, or after some seconds all the same."""
    now = 0
    for _ in range(SETTLE_SECONDS):
        last, now = now, usage.memory_bytes([*load.pids, *load.redis])
        if abs(now - last) < 0.002 * now:
            break
        await load.hold(1)
    return now


def quiet_collector() -> None:
    """Keep the client's own garbage collector out of what is measured."""
    gc.collect()
    gc.disable()


KINDS: dict[str, Callable[..., Any]] = {
    "relay": relay,
    "call": call,
    "connect": connect,
    "resume": resume,
    "storm": storm,
    "memory": memory,
    "paced": paced,
}


async def run(kind: str, servers: Sequence[dict[str, Any]], **job: Any) -> list[Steps]:
    steps: list[Steps] = await KINDS[kind](*(Load(**server) for server in servers), **job)
    return steps


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
