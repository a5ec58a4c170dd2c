"""A round of life in the town: hundreds come and go at random for a while, and then nobody is left."""

from __future__ import annotations

import asyncio
import itertools
import random

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.soak.pair import Pair
from tests.soak.pests import PESTS
from tests.soak.town import Town
from tests.soak.user import UnexpectedError

PAIRS = 100
PESTS_AT_ONCE = 50
FAULTS_AT_MOST = 20

_FAULTS = (UnexpectedError, TimeoutError, ConnectionClosed, InvalidHandshake, OSError)


class Churn:
    """The users of a town; `numbers` gives every one of them another number, and with the seed its own dice."""

    def __init__(self, town: Town, seed: int, numbers: itertools.count[int]) -> None:
        self._town, self._seed, self._numbers = town, seed, numbers

    async def run(self, seconds: float) -> None:
        """Let them live for so long, and wait until all are gone."""
        pace = self._town.pace
        pace.over.clear()
        regulator = asyncio.create_task(pace.regulate())
        end = asyncio.get_running_loop().call_later(seconds, pace.over.set)
        try:
            await asyncio.gather(*(self._pairs() for _ in range(PAIRS)), *(self._pests() for _ in range(PESTS_AT_ONCE)))
        finally:
            pace.over.set()
            end.cancel()
            await regulator

    async def _pairs(self) -> None:
        while not self._town.pace.over.is_set():
            number, dice = self._next()
            await self._town.pace.rest(dice)
            pair = Pair(self._town, number, dice)
            try:
                await pair.live()
            except _FAULTS as fault:
                self._note(f"pair {number} after {pair.history}: {fault!r}")

    async def _pests(self) -> None:
        while not self._town.pace.over.is_set():
            number, dice = self._next()
            await self._town.pace.rest(dice)
            pest = dice.choices(list(PESTS), list(PESTS.values()))[0]
            self._town.tally["misdeeds"] += 1
            try:
                await pest(self._town, number, dice)
            except _FAULTS as fault:
                self._note(f"pest {number}, {pest.__name__}: {fault!r}")

    def _next(self) -> tuple[int, random.Random]:
        number = next(self._numbers)
        return number, random.Random(f"{self._seed} {number}")

    def _note(self, fault: str) -> None:
        self._town.tally.note(fault)
        if len(self._town.tally.faults) >= FAULTS_AT_MOST:
            self._town.pace.over.set()
