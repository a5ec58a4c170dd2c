"""How fast the town lives: as fast as the server, and the town itself, may use the processor."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress

from tests.soak.vitals import processor_seconds

SERVER_SHARE, OWN_SHARE = 0.5, 0.75
"""Of one processor core, at the most."""

_LEAST_SECONDS, _MOST_SECONDS = 0.02, 20.0
_REGULAR_SECONDS = 1.0


class Pace:
    """The pauses between what users do, adjusted to the processor time that it costs.

    Attributes:
        share: the server's part of a processor core, lately.
        over: set when nothing new is to be begun; it ends every pause.
    """

    def __init__(self, worker: int) -> None:
        self.share = 0.0
        self.over = asyncio.Event()
        self._pause = 1.0
        self._processes = worker, os.getpid()

    async def rest(self, dice: random.Random) -> None:
        """Pause as people do: mostly shortly, sometimes for long."""
        await self.wait(min(dice.expovariate(1 / self._pause), 5 * self._pause))

    async def wait(self, seconds: float) -> None:
        """Wait for so long, or until it is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)

    async def regulate(self) -> None:
        """Adjust the pauses until it is over."""
        before, used = time.monotonic(), [*map(processor_seconds, self._processes)]
        while not self.over.is_set():
            await self.wait(_REGULAR_SECONDS)
            now, using = time.monotonic(), [*map(processor_seconds, self._processes)]
            shares = [(later - earlier) / (now - before) for later, earlier in zip(using, used, strict=True)]
            self.share = shares[0]
            change = min(1.25, max(0.8, max(shares[0] / SERVER_SHARE, shares[1] / OWN_SHARE)))
            self._pause = min(_MOST_SECONDS, max(_LEAST_SECONDS, self._pause * change))
            before, used = now, using
