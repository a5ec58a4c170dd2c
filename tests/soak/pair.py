"""Two well-behaved users who meet, talk, go and come back, and know everything that is to reach them."""

from __future__ import annotations

import asyncio
import random

from tests.soak.context import SoakContext
from tests.soak.user import UnexpectedError, User

MAX_STEPS = 25


class Pair:
    """A life of two users; each of its steps leaves both in their room with nothing unheard.

    Who is `self.one` and who is `self.other` changes with each step.
    """

    def __init__(self, context: SoakContext, number: int, dice: random.Random) -> None:
        self._context, self._dice = context, dice
        self.one: User
        self.other: User
        self._names = names(number)
        self._all: list[User] = []
        self.history: list[str] = []

    async def live(self) -> None:
        """Meet, take random steps, and go.

        Raises:
            UnexpectedError, TimeoutError, ConnectionClosed or OSError: the server broke the protocol.
        """
        try:
            await self._meet()
            for _ in range(self._dice.randint(1, MAX_STEPS)):
                await self._context.throttle.rest(self._dice)
                if self._context.throttle.over.is_set():
                    break
                if self._dice.random() < 0.5:
                    self.one, self.other = self.other, self.one
                step = self._dice.choices(STEPS, WEIGHTS)[0]
                self.history.append(step.__name__)
                await step(self)
                await asyncio.gather(self.one.hear_nothing(), self.other.hear_nothing())
            for user in (self.one, self.other):
                if self._dice.random() < 0.5:
                    await user.close(self._dice.choice([1000, 1001]))
        finally:
            for user in self._all:
                user.drop()

    async def _come(self, name: str | int) -> User:
        remote = self._names[0] if name == self._names[1] else self._names[1]
        user = await self._context.user(name, remote)
        self._all.append(user)
        return user

    async def _meet(self) -> None:
        self.one, self.other = await asyncio.gather(*map(self._come, self._names))
        await self.one.join("created", alone=True)
        await self.other.join("joined")
        await self.one.see_ready()

    async def _come_back(self) -> None:
        self._all.remove(self.one)
        self.one = await self._come(self.one.name)
        await self.one.join("joined")
        await self.other.see_ready()

    # The steps.

    async def talk(self) -> None:
        first, second = (self._dice.randint(0, 40) for _ in range(2))
        one, other = self.one, self.other
        said = one.said, other.said
        await asyncio.gather(
            one.say(first), other.say(second), other.hear(one, said[0], first), one.hear(other, said[1], second)
        )

    async def read_slowly(self) -> None:
        """What waits fits into what the server keeps for a client."""
        count, padding, said = 100, self._dice.randint(0, 5_000), self.one.said
        await self.one.say(count, padding)
        await self._context.throttle.wait(self._dice.random())
        await self.other.hear(self.one, said, count, padding)

    async def say_bye(self) -> None:
        await self.one.send(type="bye")
        await self.other.see_leave(self.one, "left")
        await self.other.send(type="message", data="Is anybody there?")
        await self.other.expect("error", code="peer-absent")
        await self.one.send(type="candidate")
        await self.one.expect("error", code="not-in-room")
        await self.one.join("joined")
        await self.other.see_ready()

    async def close_amid_words(self) -> None:
        count, said = self._dice.randint(0, 20), self.one.said
        await self.one.say(count)
        await self.one.close()
        await self.other.hear(self.one, said, count)
        await self.other.see_leave(self.one, "left")
        await self._come_back()

    async def drop_amid_words(self) -> None:
        """Of what was said a first part may arrive; what is answered meets nobody."""
        count, said = self._dice.randint(0, 20), self.one.said
        await asyncio.gather(self.one.say(count), self.other.say(count))
        self._drop()
        heard = 0
        while (reply := await self.other.receive())["type"] == "message":
            if reply["data"].get("candidate", reply["data"])["number"] != said + heard:
                raise UnexpectedError(f"{self.other.name!r} heard {reply} out of order")
            heard += 1
        if (reply["type"], reply.get("userId"), reply.get("reason")) != ("bye", self.one.name, "lost"):
            raise UnexpectedError(f"{self.other.name!r} expected a bye and got {reply}")
        await self.other.expect("roomInfo", userCount=1)
        await self.other.send(type="ping", id="so many?")
        while (reply := await self.other.receive())["type"] == "error" and count:
            if reply["code"] != "peer-absent":
                raise UnexpectedError(f"{self.other.name!r} got {reply}")
            count -= 1
        if reply != {"type": "pong", "id": "so many?"}:
            raise UnexpectedError(f"{self.other.name!r} expected a pong and got {reply}")
        await self._come_back()

    async def drop_and_return_at_once(self) -> None:
        """The server may have noticed the end, or it replaces a dead connection; then there is no bye."""
        self._drop()
        self._all.remove(self.one)
        self.one = await self._come(self.one.name)
        await self.one.send(type="join", userId=self.one.name, remoteId=self.one.remote)
        await self.one.expect("joined")
        await self.one.expect("roomInfo", userCount=2)
        reply = await self.other.receive()
        if reply["type"] == "bye":
            await self.other.expect("roomInfo", userCount=1)
            reply = await self.other.receive()
        if reply["type"] != "ready":
            raise UnexpectedError(f"{self.other.name!r} expected to be ready and got {reply}")
        await self.other.expect("roomInfo", userCount=2)

    async def replace(self) -> None:
        newer = await self._come(self.one.name)
        await newer.join("joined")
        self._context.results["replacements"] += 1
        await self.one.expect("error", code="replaced")
        await self.one.see_close(4001)
        await self.other.see_ready()
        self._all.remove(self.one)
        self.one = newer

    async def join_again(self) -> None:
        await self.one.join("joined")
        await self.other.see_ready()

    async def go_elsewhere(self) -> None:
        """A user's room with somebody who never comes."""
        await self.one.join("created", alone=True, remote=f"nobody of {self.one.name} and {self.one.remote}")
        await self.other.see_leave(self.one, "left")
        await self.one.join("joined")
        await self.other.see_ready()

    def _drop(self) -> None:
        self._context.results["drops"] += 1
        self.one.drop()


STEPS = (
    Pair.talk,
    Pair.read_slowly,
    Pair.say_bye,
    Pair.close_amid_words,
    Pair.drop_amid_words,
    Pair.drop_and_return_at_once,
    Pair.replace,
    Pair.join_again,
    Pair.go_elsewhere,
)
WEIGHTS = (12, 1, 2, 2, 2, 2, 2, 2, 1)


def names(number: int) -> tuple[str | int, str | int]:
    """Return the ids of pair `number`: integers, or strings that show the same room name as another pair's."""
    kind, rest = number % 3, number // 3
    if kind == 0:
        return 2 * rest, 2 * rest + 1
    return (f"s{rest}_a", "b") if kind == 1 else (f"s{rest}", "a_b")
