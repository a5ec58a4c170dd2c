"""A well-behaved user: one WebSocket, and what it expects to hear."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.soak.results import Results
from tests.waiting import TIMEOUT


class UnexpectedError(Exception):
    """What a user was sent is not what the protocol says."""


class User:
    """A user on a connection of its own, in the room it shares with `remote`.

    Attributes:
        said: how many words it said so far; they are numbered.
    """

    def __init__(self, socket: ClientConnection, name: str | int, remote: str | int, results: Results) -> None:
        self.name, self.remote = name, remote
        self.said = 0
        self._socket = socket
        self._results = results

    async def send(self, **fields: Any) -> None:
        await self._socket.send(json.dumps(fields))

    async def send_text(self, text: str | bytes) -> None:
        await self._socket.send(text)

    async def say(self, count: int, padding: int = 0) -> None:
        """Say `count` more words, messages and candidates by turns."""
        for _ in range(count):
            await self.send(**word(self.name, self.said, padding))
            self.said += 1

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT):
            reply: dict[str, Any] = json.loads(await self._socket.recv())
        if reply["type"] == "roomInfo":
            self._check_room(reply)
        if reply["type"] == "bye":
            self._results["departures"] += 1
        return reply

    async def expect(self, type_: str, **fields: Any) -> dict[str, Any]:
        reply = await self.receive()
        expected = {"type": type_, **fields}
        if any(reply.get(name) != value for name, value in expected.items()):
            raise UnexpectedError(f"{self.name!r} expected {expected} and got {reply}")
        return reply

    async def hear(self, speaker: User, first: int, count: int, padding: int = 0) -> None:
        """Expect the words that `speaker` says, from the one with the number `first` on."""
        for number in range(first, first + count):
            reply = await self.expect("message", **{"from": speaker.name})
            if reply["data"] != heard_as(word(speaker.name, number, padding)):
                raise UnexpectedError(f"{self.name!r} expected word {number} of {speaker.name!r} and got {reply}")
            self._results["messages"] += 1

    async def join(self, reply: str, alone: bool = False, remote: str | int | None = None) -> None:
        await self.send(type="join", userId=self.name, remoteId=self.remote if remote is None else remote)
        await self.expect(reply)
        await self.expect("roomInfo", userCount=1 if alone else 2)

    async def see_ready(self) -> None:
        await self.expect("ready")
        await self.expect("roomInfo", userCount=2)

    async def see_leave(self, peer: User, reason: str) -> None:
        await self.expect("bye", userId=peer.name, reason=reason)
        await self.expect("roomInfo", userCount=1)

    async def hear_nothing(self) -> None:
        """Expect that nothing was sent to it: the answer to a ping comes right behind."""
        await self.send(type="ping", id="nothing")
        await self.expect("pong", id="nothing")

    async def see_close(self, code: int) -> None:
        """Expect the server's close frame, and nothing before it."""
        try:
            raise UnexpectedError(f"{self.name!r} expected a close with {code} and got {await self.receive()}")
        except ConnectionClosed as end:
            if end.rcvd is None or end.rcvd.code != code:
                raise UnexpectedError(f"{self.name!r} expected a close with {code} and got {end}") from None

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    def drop(self) -> None:
        """End the TCP connection without a close frame, and without what is not sent yet."""
        self._socket.transport.abort()

    def _check_room(self, info: dict[str, Any]) -> None:
        names = [user["userId"] for user in info["users"]]
        if len(names) != info["userCount"] or len(set(names)) != len(names) or self.name not in names:
            raise UnexpectedError(f"{self.name!r} is told of an impossible room: {info}")
        if len(names) > 2:
            raise UnexpectedError(f"{self.name!r} is told of a third user: {info}")


def word(name: str | int, number: int, padding: int) -> dict[str, Any]:
    """Return the message that is word `number` of the user `name`."""
    content = {"speaker": name, "number": number, "padding": "x" * padding}
    return {"type": "candidate", "candidate": content} if number % 2 else {"type": "message", "data": content}


def heard_as(said: dict[str, Any]) -> Any:
    """Return the data that reaches the peer."""
    return said["data"] if said["type"] == "message" else said
