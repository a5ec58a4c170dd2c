"""A user, who wants to be in a room and comes back when a connection ends, as the browser client does."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from websockets.exceptions import WebSocketException

from tests.chaos.connection import CONNECT_SECONDS, Connection
from tests.chaos.record import PairRecord

if TYPE_CHECKING:
    from tests.chaos.run import ChaosRun

_LOOK_SECONDS = 0.05
_FIRST_RETRY_SECONDS, _MOST_RETRY_SECONDS = 0.1, 1.0
_PAUSE_SECONDS = 0.3
"""Between two words, on average."""

_BURST = 30


class User:
    """One of a pair.

    Attributes:
        wanted: whether it wants to be in the room.
        busy: whether a move is under way, so that nothing else is done for it.
    """

    def __init__(self, run: ChaosRun, record: PairRecord, name: str, remote: str, dice: random.Random) -> None:
        self.name, self.remote = name, remote
        self.wanted, self.busy = True, False
        self._run, self._record, self._dice = run, record, dice
        self._tasks = [asyncio.create_task(self._stay()), asyncio.create_task(self._talk())]
        self._speaking = asyncio.Lock()

    @property
    def connections(self) -> list[Connection]:
        """All of this round, in the order in which they began."""
        return [connection for connection in self._record.connections if connection.name == self.name]

    @property
    def live(self) -> list[Connection]:
        """Those that are open and not replaced."""
        return [c for c in self.connections if c.opened and c.ended is None and not c.replaced]

    async def connect(self, host: int | None = None) -> Connection:
        """Open one more connection, at any host.

        Raises:
            OSError, TimeoutError or WebSocketException: it is not possible at the moment.
        """
        chosen = self._dice.randrange(len(self._run.hosts)) if host is None else host
        connection = Connection(self._record, chosen, self.name, self.remote)
        await connection.open(self._run.hosts[chosen], self._run.round)
        return connection

    async def silent(self) -> None:
        """Wait until it says nothing."""
        async with self._speaking:
            pass

    async def end(self) -> None:
        """Leave for good."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            if connection.ended is None:
                connection.drop()

    async def _stay(self) -> None:
        retry = _FIRST_RETRY_SECONDS
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.busy:
                continue
            live = self.live
            if not self.wanted:
                for connection in live:
                    connection.drop()
            elif not live:
                try:
                    await (await self.connect()).join()
                    retry = _FIRST_RETRY_SECONDS
                except (OSError, TimeoutError, WebSocketException):
                    await asyncio.sleep(retry * self._dice.uniform(0.5, 1))
                    retry = min(2 * retry, _MOST_RETRY_SECONDS)
            else:
                for connection in live:
                    if connection.pending:
                        if self._run.clock.now() - connection.join_sent > CONNECT_SECONDS:
                            connection.drop()
                    elif not connection.seated:
                        await connection.join()

    async def _talk(self) -> None:
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / _PAUSE_SECONDS))
            async with self._speaking:
                if self._run.storm.is_set() and (live := self.live) and (live[-1].seated or self._dice.random() < 0.1):
                    for _ in range(_BURST if self._dice.random() < 0.02 else 1):
                        await live[-1].say()
