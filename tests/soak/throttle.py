"""How often users act: as often as the processor time of the server and of the test allows."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress

from tests.soak.vitals import processor_seconds

SERVER_SHARE, OWN_SHARE = 0.5, 0.75
"""Of one processor core, at the most."""

LATE = 1.2
"""How many times as long as it should a pause may take."""

_MIN_SECONDS, _MAX_SECONDS = 0.02, 20.0
_REGULAR_SECONDS = 1.0


class Throttle:
    """The pauses between what users do, adjusted to the processor time that it costs.

    Attributes:
        share: the server's part of a processor core, lately; that of its busiest worker.
        workers: those processes.
        over: set when nothing new is to be begun; it ends every pause.
    """

    def __init__(self, *workers: int, pause: float = 1.0) -> None:
        self.share = 0.0
        self.workers = workers
        self.over = asyncio.Event()
        self._pause = pause

    async def rest(self, dice: random.Random) -> None:
        """Pause as people do: mostly shortly, sometimes for long."""
        await self.wait(min(dice.expovariate(1 / self._pause), 5 * self._pause))

    async def wait(self, seconds: float) -> None:
        """Wait for so long, or until it is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)

    async def regulate(self) -> None:
        """Adjust the pauses until it is over."""
        before, used = time.monotonic(), self._used()
        while not self.over.is_set():
            await self.wait(_REGULAR_SECONDS)
            now, using = time.monotonic(), self._used()
            shares = {pid: (seconds - used.get(pid, seconds)) / (now - before) for pid, seconds in using.items()}
            own = shares.pop(os.getpid())
            self.share = max(shares.values(), default=0.0)
            # Where others use the machine too, nobody's share is large, and all is late.
            late = (now - before) / _REGULAR_SECONDS
            change = min(1.25, max(0.8, self.share / SERVER_SHARE, own / OWN_SHARE, late / LATE))
            self._pause = min(_MAX_SECONDS, max(_MIN_SECONDS, self._pause * change))
            before, used = now, using

    def _used(self) -> dict[int, float]:
        """Return the processor time of all that run, this process included."""
        used = {}
        for pid in (*self.workers, os.getpid()):
            with suppress(OSError):
                used[pid] = processor_seconds(pid)
        return used
