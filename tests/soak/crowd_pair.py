"""Two users who come, talk, go and come back at whatever worker takes them, while workers die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

from tests.soak.crowd_user import ConnectionEndedError, CrowdContext, CrowdUser
from tests.soak.throttle import Throttle
from tests.waiting import TIMEOUT

MAX_STEPS = 25
_RETRY_SECONDS = 0.2


class Side:
    """One of the two."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.user: CrowdUser | None = None

    @property
    def here(self) -> CrowdUser | None:
        """Its connection, while it is in the room."""
        user = self.user
        return user if user is not None and user.joined and not user.over else None

    @property
    def lost(self) -> bool:
        """Whether its connection ended that was to go on."""
        return self.user is not None and self.user.over


class CrowdPair:
    """A life of two users. After each step, each of them that is in the room must know who is there with it."""

    def __init__(self, context: CrowdContext, port: int, throttle: Throttle, number: int, dice: random.Random) -> None:
        self._context, self._port, self._throttle, self._dice = context, port, throttle, dice
        self.number = number
        self.sides = Side(f"{number} she"), Side(f"{number} he")
        self.history: list[str] = []

    async def meet(self) -> None:
        """Both come, in any order."""
        await self._step("meet", asyncio.gather(*map(self._come, self.sides)))

    async def live(self) -> None:
        """Take random steps, until life is over or time is, and be as the last of them left it."""
        for _ in range(self._dice.randint(1, MAX_STEPS)):
            await self._throttle.rest(self._dice)
            if self._throttle.over.is_set():
                return
            one, other = sorted(self._dice.sample(self.sides, 2), key=lambda side: not side.lost)
            if one.here is None:
                await self._step("come", self._come(one))
            else:
                step = self._dice.choices(STEPS, WEIGHTS)[0]
                await self._step(step.__name__, step(self, one, other))
        await self.part()

    async def part(self) -> None:
        """Both go."""
        await self._step("part", asyncio.gather(*map(self._go, self.sides)))

    async def _step(self, name: str, step: Awaitable[object]) -> None:
        self.history.append(name)
        with suppress(ConnectionEndedError):
            await step
        await self.settle()

    async def settle(self) -> None:
        """Wait until each of them knows whether the other one is there."""
        for one, other in (self.sides, self.sides[::-1]):
            if (user := one.here) is not None:
                try:
                    with suppress(ConnectionEndedError):
                        await user.until(partial(knows, one, other))
                except TimeoutError:
                    there = other.here.id if other.here else None
                    self._context.results.note(
                        f"{one.name} ({user.id}) believes in {user.peer}, and not in {there}, after {self.history}"
                    )

    async def _come(self, side: Side) -> None:
        async with asyncio.timeout(2 * TIMEOUT):
            while True:
                if side.user is not None and not side.user.joined:
                    side.user.drop()
                try:
                    user = await CrowdUser.come(self._context, self._port, side.name, self._other(side).name)
                    side.user = user
                    await user.join()
                    return
                except (ConnectionEndedError, OSError):
                    # A worker that dies takes those with it who are at its door.
                    await asyncio.sleep(_RETRY_SECONDS)

    def _other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    async def _go(self, side: Side) -> None:
        if (user := side.user) is not None:
            side.user = None
            if self._dice.random() < 0.5:
                await user.close()
            else:
                user.drop()

    # The steps.

    async def talk(self, one: Side, other: Side) -> None:
        """Every word arrives, in order."""
        if one.here and other.here:
            await asyncio.gather(self._say(one.here, other.here), self._say(other.here, one.here))

    async def _say(self, speaker: CrowdUser, listener: CrowdUser) -> None:
        speaker.say(self._dice.randint(1, 10))
        await listener.until(lambda: listener.heard.get(speaker.id) == speaker.said or speaker.over)

    async def go(self, one: Side, other: Side) -> None:
        """It is missed until it comes again."""
        await self._go(one)

    async def go_and_come(self, one: Side, other: Side) -> None:
        """So fast that its peer may hear of the newer connection alone."""
        await self._go(one)
        await self._come(one)

    async def both_go_and_come(self, one: Side, other: Side) -> None:
        """Both at once, in any order."""
        await asyncio.gather(self.go_and_come(one, other), self.go_and_come(other, one))

    async def say_bye(self, one: Side, other: Side) -> None:
        """It is missed, and comes back on the same connection."""
        assert one.user is not None
        user = one.user
        await user.bye()
        if (left := other.here) is not None:
            await left.until(lambda: left.peer is None)
        await user.join()

    async def join_again(self, one: Side, other: Side) -> None:
        """Nobody is missed."""
        assert one.user is not None
        await one.user.join()

    async def replace(self, one: Side, other: Side) -> None:
        """The older connection is told, and closed."""
        assert one.user is not None
        older = one.user
        await self._come(one)
        self._context.results["replacements"] += 1
        with suppress(ConnectionEndedError):
            await older.until(lambda: older.over)


STEPS = (
    CrowdPair.talk,
    CrowdPair.go,
    CrowdPair.go_and_come,
    CrowdPair.both_go_and_come,
    CrowdPair.say_bye,
    CrowdPair.join_again,
    CrowdPair.replace,
)
WEIGHTS = (8, 4, 3, 1, 2, 2, 2)


def knows(one: Side, other: Side) -> bool:
    """Tell if ``one`` knows whether ``other`` is in the room, and on which connection."""
    here, there = one.here, other.here
    return here is None or here.peer == (there.id if there is not None else None)
