"""A round of churn: hundreds of users come and go at random for a while, until nobody is left."""

from __future__ import annotations

import asyncio
import itertools
import random

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.soak.context import SoakContext
from tests.soak.misbehavior import MISBEHAVIORS
from tests.soak.pair import Pair
from tests.soak.user import UnexpectedError

PAIRS = 100
MISBEHAVING_AT_ONCE = 50
MAX_FAULTS = 20

_FAULTS = (UnexpectedError, TimeoutError, ConnectionClosed, InvalidHandshake, OSError)


class Churn:
    """All users of one round. `numbers` numbers them, and a number and the seed make a user's dice."""

    def __init__(self, context: SoakContext, seed: int, numbers: itertools.count[int]) -> None:
        self._context, self._seed, self._numbers = context, seed, numbers

    async def run(self, seconds: float) -> None:
        """Let them live for so long, and wait until all are gone."""
        throttle = self._context.throttle
        throttle.over.clear()
        regulator = asyncio.create_task(throttle.regulate())
        end = asyncio.get_running_loop().call_later(seconds, throttle.over.set)
        try:
            await asyncio.gather(
                *(self._pairs() for _ in range(PAIRS)), *(self._misbehave() for _ in range(MISBEHAVING_AT_ONCE))
            )
        finally:
            throttle.over.set()
            end.cancel()
            await regulator

    async def _pairs(self) -> None:
        while not self._context.throttle.over.is_set():
            number, dice = self._next()
            await self._context.throttle.rest(dice)
            pair = Pair(self._context, number, dice)
            try:
                await pair.live()
            except _FAULTS as fault:
                self._note(f"pair {number} after {pair.history}: {fault!r}")

    async def _misbehave(self) -> None:
        while not self._context.throttle.over.is_set():
            number, dice = self._next()
            await self._context.throttle.rest(dice)
            misbehavior = dice.choices(list(MISBEHAVIORS), list(MISBEHAVIORS.values()))[0]
            self._context.results["misdeeds"] += 1
            try:
                await misbehavior(self._context, number, dice)
            except _FAULTS as fault:
                self._note(f"misbehaving client {number}, {misbehavior.__name__}: {fault!r}")

    def _next(self) -> tuple[int, random.Random]:
        number = next(self._numbers)
        return number, random.Random(f"{self._seed} {number}")

    def _note(self, fault: str) -> None:
        self._context.results.note(fault)
        if len(self._context.results.faults) >= MAX_FAULTS:
            self._context.throttle.over.set()
