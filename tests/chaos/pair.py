"""Two users who come, talk, leave, return, replace themselves and drop, in any order."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import WebSocketException

from tests.chaos.record import PairRecord
from tests.chaos.user import User

if TYPE_CHECKING:
    from tests.chaos.run import ChaosRun

_PAUSE_SECONDS = 1.5
"""Between two moves of a pair, on average."""

STEADY_PART = 0.5
"""The part of all pairs that only talk in a round, so that nothing they do excuses what happens to them."""


class Pair:
    """One pair of a run.

    Attributes:
        steady: whether it only talks in this round.
    """

    def __init__(self, run: ChaosRun, number: int, dice: random.Random) -> None:
        self.record = PairRecord(f"pair {number}", run.clock, run.violations)
        names = f"user {number}a", f"user {number}b"
        self.users = tuple(User(run, self.record, name, remote, dice) for name, remote in (names, names[::-1]))
        self.steady = False
        self._run, self._dice = run, dice
        self._moving = asyncio.Lock()
        self._task = asyncio.create_task(self._move())

    @property
    def name(self) -> str:
        return self.record.name

    async def still(self) -> None:
        """Wait until no move is under way, and nobody says anything."""
        async with self._moving:
            pass
        for user in self.users:
            await user.silent()

    def begin_round(self) -> None:
        self.steady = self._dice.random() < STEADY_PART
        self.record.connections[:] = [c for c in self.record.connections if c.ended is None]
        for connection in self.record.connections:
            connection.begin_round(self._run.round)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for user in self.users:
            await user.end()

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / _PAUSE_SECONDS))
            if self.steady or not self._run.storm.is_set():
                continue
            async with self._moving:
                user = self._dice.choice(self.users)
                move = self._dice.choices(list(_MOVES), list(_MOVES.values()))[0]
                self.record.note(user.name, f"move: {move.__name__}")
                user.busy = True
                try:
                    with suppress(OSError, TimeoutError, WebSocketException):
                        await move(self, user)
                finally:
                    user.busy = False

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(self._dice.uniform(0, seconds))

    # The moves.

    async def bye_and_rejoin(self, user: User) -> None:
        for connection in user.live:
            if connection.seated and not connection.pending:
                await connection.bye()
                await self._rest(1)
                await connection.join()

    async def join_again(self, user: User) -> None:
        for connection in user.live:
            await connection.join()

    async def close(self, user: User) -> None:
        for connection in user.live:
            await connection.close()
        await self._rest(2)

    async def drop(self, user: User) -> None:
        for connection in user.live:
            connection.drop()
        await self._rest(2)

    async def reset(self, user: User) -> None:
        for connection in user.live:
            connection.drop(reset=True)

    async def replace(self, user: User) -> None:
        await (await user.connect()).join()

    async def replace_twice(self, user: User) -> None:
        """Two new connections join at the same moment, each at its host."""
        new = await asyncio.gather(user.connect(0), user.connect(1))
        await asyncio.gather(*(connection.join() for connection in new))

    async def join_again_and_replace(self, user: User) -> None:
        """The old connection joins again while a newer one joins at the other host."""
        if live := user.live:
            new = await user.connect(1 - live[-1].host)
            await asyncio.gather(live[-1].join(), new.join())

    async def leave(self, user: User) -> None:
        user.wanted = False
        for connection in user.live:
            if self._dice.random() < 0.5:
                await connection.bye()
            await connection.close()

    async def come_back(self, user: User) -> None:
        user.wanted = True


_MOVES = {
    Pair.bye_and_rejoin: 3,
    Pair.join_again: 3,
    Pair.close: 3,
    Pair.drop: 3,
    Pair.reset: 2,
    Pair.replace: 3,
    Pair.replace_twice: 2,
    Pair.join_again_and_replace: 3,
    Pair.leave: 1,
    Pair.come_back: 3,
}
