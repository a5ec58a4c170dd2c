"""One attack on one server of its own, and what it did to everybody else."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.attack import Attack
from tests.attacks.witness import Seen, Witnesses
from tests.driver import ROOT, Server
from tests.soak.vitals import children, processor_seconds, resident
from tests.waiting import TIMEOUT

SETTINGS: dict[str, Any] = {
    # So that their paths are attacked as well.
    "SIGNALING_OPS_TOKEN": "o" * 32,
    "SIGNALING_METRICS_TOKEN": "m" * 32,
    # The users of the call send no Origin, as native apps do.
    "SIGNALING_ALLOWED_ORIGINS": "https://app.example.org",
}

_LOOK_SECONDS = 0.1


@dataclass
class Outcome:
    """What an attack did.

    Attributes:
        seen: what the users saw.
        worker_stayed: whether the worker was neither killed nor replaced.
        share: how much of a core the worker used.
        grown: how much more memory the worker had at the most, in MiB.
        done: what the attacker did: `connections`, those `ended` by the server, bytes `sent` and `received`.
    """

    name: str
    seen: Seen
    worker_stayed: bool
    share: float
    grown: float
    done: dict[str, int]

    def latency(self, part: float) -> float:
        """Return the latency of a message that this part of them does not exceed, in seconds; infinite if none came."""
        ordered = sorted(self.seen.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("inf")

    @property
    def health(self) -> float:
        """The slowest answer of `/healthz`, in seconds; infinite if one was missing or wrong."""
        return float("inf") if self.seen.health_faults else max(self.seen.health, default=float("inf"))

    def faults(self, p99: float, health: float) -> list[str]:
        """Return in words what must not be: limits in seconds."""
        return [
            *self.seen.faults,
            *self.seen.health_faults[:3],
            *["the worker was killed"] * (not self.worker_stayed),
            *[f"the call's p99 is {self.latency(0.99):.3f} s"] * (self.latency(0.99) > p99),
            *[f"/healthz took {self.health:.3f} s"] * (self.health > health and not self.seen.health_faults),
        ]


def trial(attack: Attack, certificate: Path, seconds: float) -> Outcome:
    """Start a server, attack it for so long, and return what happened.

    The server has the first core, attacker and users the last one, so that what the users see is the server's doing.
    """
    cores = sorted(os.sched_getaffinity(0))
    with _on_core(cores[0]):
        server = Server(certificate, **(SETTINGS | dict(attack.settings)))
    with server, _on_core(cores[-1]):
        return asyncio.run(_attack(attack, server, seconds))


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _attack(attack: Attack, server: Server, seconds: float) -> Outcome:
    assert server.tls is not None
    worker, share = server.worker, 0.0
    async with Witnesses(server.ws_url, server.port, server.tls) as witnesses:
        memory = most_memory = resident(worker)
        attacker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.attacks.attacker", attack.name, str(server.port), str(seconds)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert attacker.stdout is not None
            assert await attacker.stdout.readline() == b"attacking\n"
            used, begin = processor_seconds(worker), time.monotonic()
            witnesses.begin()
            answer = asyncio.create_task(attacker.stdout.read())
            while not answer.done():
                await asyncio.wait([answer], timeout=_LOOK_SECONDS)
                if worker in children(server.process.pid):
                    most_memory = max(most_memory, resident(worker))
                    share = (processor_seconds(worker) - used) / (time.monotonic() - begin)
            await asyncio.wait_for(attacker.wait(), TIMEOUT)
        finally:
            if attacker.returncode is None:
                attacker.kill()
        seen = await witnesses.end()
        stayed = worker in children(server.process.pid) and server.worker == worker
        return Outcome(attack.name, seen, stayed, share, (most_memory - memory) / 1_024, json.loads(answer.result()))
