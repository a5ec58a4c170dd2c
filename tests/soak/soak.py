"""The soak: a server, a first round of churn to warm it up, a long one, and what is left of it when all are gone."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.driver import Server
from tests.soak.churn import Churn
from tests.soak.context import SoakContext
from tests.soak.throttle import Throttle
from tests.soak.vitals import Vitals, descriptors, resident, rest

WARM_UP_PART = 0.3
"""The warm-up is this part of the time, and a few minutes at the most."""

MAX_WARM_UP_SECONDS = 300.0
FIGURES_SECONDS = 60.0
LINES_OF_A_TRACEBACK = 60

# Short, so that there are ends by them all the time, and still enough for a good client on a busy machine.
LIMITS: dict[str, Any] = {
    "SIGNALING_PING_INTERVAL": 4,
    "SIGNALING_PING_TIMEOUT": 10,
    "SIGNALING_HANDSHAKE_TIMEOUT": 10,
    # Counted, and not reached: misbehaving clients and floods are to meet the other limits.
    "SIGNALING_MESSAGE_RATE": 1_000_000,
    "SIGNALING_MESSAGE_BURST": 1_000_000,
    "SIGNALING_JOIN_RATE": 1_000_000,
    "SIGNALING_CONNECTIONS_PER_IP": 1_000_000,
    "SIGNALING_CONNECTION_RATE": 1_000_000,
    "SIGNALING_CONNECTION_BURST": 1_000_000,
    # So few that there are as many already when the warm-up is over.
    "SIGNALING_OPS_TOKEN": "soak",
    "SIGNALING_OPS_CALLS": 20,
    "SIGNALING_METRICS_TOKEN": "soak",
}


def soak(certificate: Path, minutes: float, seed: int) -> list[str]:
    """Run for so long, printing figures, and return the faults of the server."""
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    with Server(certificate, app="tests.soak.app:app", **LIMITS) as server:
        return asyncio.run(Soak(server, seed).run(60 * minutes))


class Soak:
    """One run against `server`, which is nobody else's."""

    def __init__(self, server: Server, seed: int) -> None:
        assert server.tls is not None
        self._server = server
        self._worker = server.worker
        self._context = SoakContext(server.ws_url, server.port, server.tls, Throttle(self._worker))
        self._churn = Churn(self._context, seed, itertools.count())

    async def run(self, seconds: float) -> list[str]:
        results = self._context.results
        figures = asyncio.create_task(self._print_figures())
        try:
            user = await self._context.user("the first", "nobody")
            await user.close()
            before = await self._rest("before")
            warm_up = min(WARM_UP_PART * seconds, MAX_WARM_UP_SECONDS)
            await self._churn.run(warm_up)
            warm = await self._rest("warmed up", before)
            if not results.faults:
                await self._churn.run(seconds - warm_up)
            after = await self._rest("after", before)
        finally:
            figures.cancel()
            with suppress(asyncio.CancelledError):
                await figures
        self._read_log()
        results.faults += after.left_since(before) + after.grown_since(warm)
        return results.faults

    async def _rest(self, name: str, before: Vitals | None = None) -> Vitals:
        vitals = await rest(self._server, self._worker, before)
        self._print_line()
        print(f"{name}: {vitals}", flush=True)
        return vitals

    async def _print_figures(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_SECONDS)
            self._read_log()
            self._print_line()

    def _print_line(self) -> None:
        print(
            self._context.results.line(
                resident_kib=resident(self._worker),
                files=descriptors(self._worker),
                processor=f"{self._context.throttle.share:.0%}",
                faults=len(self._context.results.faults),
            ),
            flush=True,
        )

    def _read_log(self) -> None:
        self._context.results.faults += faults_in_log(self._server)


def faults_in_log(server: Server) -> list[str]:
    """Look for a fault in what was logged since the last time, and forget it: it is much."""
    lines = server.log[: len(server.log)]
    del server.log[: len(lines)]
    for number, line in enumerate(lines):
        if any(sign in line for sign in ("Traceback", "An error of this server", "ResourceWarning")):
            return ["\n".join(lines[max(0, number - 1) : number + LINES_OF_A_TRACEBACK])]
    return []
