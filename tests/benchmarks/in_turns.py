"""How two of our servers compare that differ by little: both run, and the load is now at one and now at the other.

A round of bench.py takes seconds for each server, and the speed of a shared machine drifts by more than some hundredths
meanwhile. Here a turn takes less than one, and each is compared with the next one.

    python tests/benchmarks/in_turns.py ours bare
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
from functools import partial

import uvloop
from connections import Client, Load
from load import nothing, quiet_collector
from payloads import PAYLOADS
from servers import Server, Servers, client_core

PAIRS = 50
SECONDS = 0.4
QUIET_SECONDS = 0.05

Ends = list[tuple[Client, Client]]


async def cost(load: Load, ends: Ends, payload: bytes, seconds: float) -> float:
    """Server CPU of a relayed message in microseconds, over one turn."""
    for client in itertools.chain(*ends):
        client.expect(len(payload), partial(client.send, payload))
    for first, _ in ends:
        first.send(payload)
    await load.hold(QUIET_SECONDS)
    step = await load.measured(seconds)
    for client in itertools.chain(*ends):
        client.expect(len(payload), nothing)
    # What is under way arrives.
    await load.hold(QUIET_SECONDS)
    return float(step["cost_us"])


async def compare(one: Server, other: Server, turns: int) -> list[tuple[float, float]]:
    """The costs at both, turn by turn."""
    loads = [Load(server.urls, server.pids, server.redis) for server in (one, other)]
    ends = [await load.open(PAIRS) for load in loads]
    quiet_collector()
    found = []
    for turn in range(turns + 1):
        costs = [0.0, 0.0]
        # Each is the first in half of the turns.
        for at in ((0, 1), (1, 0))[turn % 2]:
            costs[at] = await cost(loads[at], ends[at], PAYLOADS["candidate"], SECONDS)
        found.append((costs[0], costs[1]))
    # The first one warmed up.
    return found[1:]


def main() -> None:
    """Print the medians of both, and of their ratio with its quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", help="a server of servers.py: ours, bare, inside, across")
    parser.add_argument("other")
    parser.add_argument("--turns", type=int, default=60)
    given = parser.parse_args()
    if (core := client_core()) is not None:
        os.sched_setaffinity(0, {core})
    with (
        Servers.prepared(set(), {}) as servers,
        servers.running(given.one, tls=False) as one,
        servers.running(given.other, tls=False) as other,
    ):
        found = uvloop.run(compare(one, other, given.turns))
    low, middle, high = statistics.quantiles((a / b for a, b in found), n=4)
    ours, theirs = (statistics.median(costs) for costs in zip(*found, strict=True))
    print(f"{given.one} {ours:.2f} µs, {given.other} {theirs:.2f} µs a relayed message, medians of {given.turns} turns")
    print(f"{given.one} / {given.other}: {middle:.3f} (quartiles {low:.3f} and {high:.3f})")


if __name__ == "__main__":
    main()
