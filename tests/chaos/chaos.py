"""The chaos as one call: two hosts, a Redis, and the report at the end."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.cable import SlowCable
from tests.chaos.record import Violation
from tests.chaos.run import ChaosRun
from tests.driver import Server
from tests.redis.conftest import connected
from tests.redis_server import redis_server


def chaos(minutes: float, seed: int) -> list[Violation]:
    """Run for so long, print each fault with its time and a table at the end, and return the violations."""
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    with redis_server() as redis, SlowCable(redis.port) as cable, _host(cable.url) as one, _host(redis.url) as other:
        for host in (one, other):
            connected(host)
        return asyncio.run(_run(ChaosRun([one, other], redis, cable, seed), minutes))


def _host(url: str) -> Server:
    return Server(SIGNALING_REDIS_URL=url, WEB_CONCURRENCY=1)


async def _run(run: ChaosRun, minutes: float) -> list[Violation]:
    await run.run(60 * minutes)
    _report(run)
    return run.violations


def _report(run: ChaosRun) -> None:
    settled, milliseconds = run.counts.pop("settled", 0), run.counts.pop("settle milliseconds", 0)
    print(", ".join(f"{name} {count:,}" for name, count in run.counts.items()))
    print(f"{settled} rounds, settled within {milliseconds / max(1, settled):,.0f} ms on average\n")
    rules = sorted({violation.rule for violation in run.violations})
    print("| fault | rounds |" + "".join(f" {rule} |" for rule in rules))
    print("| --- | ---: |" + " ---: |" * len(rules))
    for name, counts in run.by_fault.items():
        print(f"| {name} | {counts['rounds']} |" + "".join(f" {counts[rule]} |" for rule in rules))
    if not run.violations:
        print("\nno violation")
    for violation in run.violations:
        print(f"\nVIOLATION {violation}", *violation.events, sep="\n  ")
    print(f"\n{len(run.violations)} violations: {dict(Counter(v.rule for v in run.violations))}")
