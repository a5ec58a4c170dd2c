"""The chaos as one call: two hosts, a Redis, and the report at the end."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.record import Violation
from tests.chaos.town import Town
from tests.driver import Server
from tests.redis.conftest import connected
from tests.redis_server import Redis, redis_server


def chaos(minutes: float, seed: int) -> list[Violation]:
    """Run for so long, print each fault with its time and a table at the end, and return the violations."""
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    with redis_server() as redis:
        settings = {"SIGNALING_REDIS_URL": redis.url, "WEB_CONCURRENCY": 1}
        with Server(**settings) as one, Server(**settings) as other:
            connected(one), connected(other)
            return asyncio.run(_run([one, other], redis, minutes, seed))


async def _run(hosts: list[Server], redis: Redis, minutes: float, seed: int) -> list[Violation]:
    town = Town(hosts, redis, seed)
    await town.run(60 * minutes)
    _report(town)
    return town.violations


def _report(town: Town) -> None:
    settled, milliseconds = town.counts.pop("settled", 0), town.counts.pop("settle milliseconds", 0)
    print(", ".join(f"{name} {count:,}" for name, count in town.counts.items()))
    print(f"{settled} rounds, settled within {milliseconds / max(1, settled):,.0f} ms on average\n")
    rules = sorted({violation.rule for violation in town.violations})
    print("| fault | rounds |" + "".join(f" {rule} |" for rule in rules))
    print("| --- | ---: |" + " ---: |" * len(rules))
    for name, counts in town.by_fault.items():
        print(f"| {name} | {counts['rounds']} |" + "".join(f" {counts[rule]} |" for rule in rules))
    if not town.violations:
        print("\nno violation")
    for violation in town.violations:
        print(f"\nVIOLATION {violation}", *violation.events, sep="\n  ")
    print(f"\n{len(town.violations)} violations: {dict(Counter(v.rule for v in town.violations))}")
