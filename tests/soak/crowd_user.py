"""A user of the crowd: one connection, which verifies all that the server sends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.soak.results import Results
from tests.waiting import TIMEOUT

_URI = parse_uri("ws://localhost/")


class ConnectionEndedError(Exception):
    """A connection ended that was to go on."""


class CrowdContext(Protocol):
    """What users share.

    Attributes:
        users: all that there ever were, by their ids.
        newest: of each user, who came last.
    """

    results: Results
    users: dict[str, CrowdUser]
    newest: dict[str, CrowdUser]

    def excuses(self) -> bool:
        """Tell if a connection may end now that nobody closed."""


class CrowdUser(asyncio.Protocol):
    """A connection of the user `name`.

    Attributes:
        id: its own, once it was told.
        joined: whether it is in its room.
        peer: the connection that it was told is there with it, or None.
        replaced: whether it was told that a newer connection has its place.
        over: whether it ended.
        heard: how many words it heard from each connection.
    """

    def __init__(self, context: CrowdContext, name: str, remote: str) -> None:
        self.name, self.remote = name, remote
        self.id = ""
        self.joined = self.replaced = self.over = False
        self.peer: str | None = None
        self.heard: dict[str, int] = {}
        self.said = 0
        self._context = context
        self._protocol = ClientProtocol(_URI)
        self._asked = self._answered = self._entries = 0
        self._leaving = False
        self._entered = ""
        self._waiting: asyncio.Future[None] | None = None

    @classmethod
    async def come(cls, context: CrowdContext, port: int, name: str, remote: str) -> CrowdUser:
        """Connect.

        Raises:
            ConnectionEndedError or OSError: it was not to be.
        """
        loop = asyncio.get_running_loop()
        context.results["connections"] += 1
        _, user = await loop.create_connection(lambda: cls(context, name, remote), "127.0.0.1", port)
        await user.until(lambda: user._protocol.state is State.OPEN)
        return user

    # What it does.

    async def join(self) -> None:
        """Join, and wait for the answer."""
        entries = self._entries
        self._context.newest[self.name] = self
        self._send(type="join", userId=self.name, remoteId=self.remote)
        await self.until(lambda: self._entries > entries)

    @property
    def stays(self) -> bool:
        """Whether nothing happened that ends its place in the room."""
        newest = self._context.newest[self.name] is self
        return newest and self.joined and not (self._leaving or self.over)

    async def bye(self) -> None:
        """Leave the room, and hear nothing from then on."""
        self._send(type="bye")
        await self.listen()
        self.joined, self.peer = False, None

    def say(self, count: int) -> None:
        """Say so many more words; they are numbered."""
        for _ in range(count):
            self._send(type="candidate", candidate={"speaker": self.id, "number": self.said})
            self.said += 1

    async def listen(self) -> None:
        """Wait until all is heard that the server sent it before it asks."""
        self._asked += 1
        self._send(type="ping", id=self._asked)
        await self.until(lambda: self._answered == self._asked)

    async def close(self) -> None:
        """Close, and wait for the answer."""
        self._leaving = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        with suppress(ConnectionEndedError):
            await self.until(lambda: False)

    def drop(self) -> None:
        """End the TCP connection without a close frame."""
        self._leaving = True
        self._context.results["drops"] += 1
        self.transport.abort()
        self._end()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true that depends on what it is told.

        Raises:
            ConnectionEndedError: its connection ended.
            TimeoutError: it does not come to that.
        """
        async with asyncio.timeout(TIMEOUT):
            while not true():
                if self.over:
                    raise ConnectionEndedError(self.name)
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting

    # What it is told.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take(json.loads(bytes(event.data)))
        if isinstance(self._protocol.handshake_exc, InvalidHandshake):
            self._fault(f"was refused: {self._protocol.handshake_exc}")
        self._flush()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if not (self._leaving or self.replaced or self._context.excuses()):
            self._fault(f"lost its connection: {exc or self._protocol.close_rcvd}")
        self._end()

    def _take(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "created" | "joined" | "ready":
                self._entered = told["type"]
                self.joined = True
            case "roomInfo":
                self._look(told)
            case "bye":
                self._context.results["departures"] += 1
                if told["id"] != self.peer:
                    self._fault(f"is told of a bye that is not its peer's: {told}")
                self.peer = None
            case "message":
                self._hear(told["data"]["candidate"])
            case "pong":
                self._answered = told["id"]
            case "error" if told["code"] == "replaced":
                self.joined, self.peer, self.replaced = False, None, True
            # Those who speak to somebody at a worker that was killed are told so.
            case "error" if told["code"] in ("peer-absent", "unavailable") and self._context.excuses():
                pass
            case _:
                self._fault(f"did not expect {told}")

    def _look(self, info: dict[str, Any]) -> None:
        ids = {user["userId"]: user["id"] for user in info["users"]}
        self.id = ids.pop(self.name, "")
        peer = ids.pop(self.remote, None)
        if not self.id or ids or len(info["users"]) != info["userCount"]:
            self._fault(f"is told of an impossible room: {info}")
        self._context.users[self.id] = self
        if self._entered == "":
            # It goes with a bye.
            if peer is not None:
                self._fault(f"is told of a peer with a bye: {info}")
        elif (peer is None) is not (self._entered == "created"):
            self._fault(f"is told {self._entered}, and then of {info}")
        elif self.peer is not None and self.peer != peer:
            # Instead of a bye: a newer connection took the place of one that did not leave, or not in time.
            if self._entered != "ready":
                self._fault(f"is told of {peer} in the place of {self.peer} by {self._entered}")
            # One that was cut off before it heard its own id is not known.
            elif (gone := self._context.users.get(self.peer)) is not None and gone.stays:
                self._fault(f"is told of {peer} in the place of {self.peer}, which is there")
        self._entries += self._entered in ("created", "joined")
        self._entered, self.peer = "", peer

    def _hear(self, word: dict[str, Any]) -> None:
        self._context.results["messages"] += 1
        speaker, number = word["speaker"], word["number"]
        if speaker != self.peer or number != self.heard.get(speaker, number):
            self._fault(f"of {self.peer} hears {word} after {self.heard.get(speaker)}")
        self.heard[speaker] = number + 1

    # Its connection.

    def _send(self, **fields: Any) -> None:
        if not self.over and self._protocol.state is State.OPEN:
            self._protocol.send_text(json.dumps(fields).encode())
            self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and not self.transport.is_closing():
                self.transport.write(data)
            elif not data:
                self.transport.close()

    def _end(self) -> None:
        self.over, self.joined, self.peer = True, False, None
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _fault(self, what: str) -> None:
        self._context.results.note(f"{self.name} ({self.id}) {what}")
