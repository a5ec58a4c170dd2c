"""A connection of a user, which holds all that it is told against the rules that hold at any time."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import socket
from contextlib import suppress
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.chaos.record import PairRecord, Word
from tests.chaos.rules import EXPECTED_ERRORS
from tests.driver import Server

CONNECT_SECONDS = 6.0
"""After so long a user gives a connection up, and tries another host."""

_labels = itertools.count()


class Round(Protocol):
    """What was broken in this round."""

    @property
    def broken(self) -> bool:
        """Whether anything was that joins and messages between hosts need."""

    def worker_ended(self, host: int) -> bool:
        """Tell if a worker of this host was killed, or told to end."""


class Connection:
    """One WebSocket of the user `name`, whose peer is `remote`.

    Attributes:
        label: its own name, in the order in which all connections began.
        id: the server's name for it, once it was told.
        opened: whether its handshake is over.
        seated: whether it is in its room, as far as it was told.
        pending: joins that are not answered.
        peer: the server's id of the connection it was told is its peer.
        ended: the close code, None while it is open.
        left: when it last left its room in this round, in seconds; -1 if it did not.
        restarted: when it was last told `ready`, or that it joined.
        words: its messages of this round.
        errors: when it got each error for a message of this round.
        byes: the ids of those whose bye it heard in this round, and when.
    """

    def __init__(self, record: PairRecord, host: int, name: str, remote: str) -> None:
        self.label = f"c{next(_labels)}"
        self.host, self.name, self.remote = host, name, remote
        self.id = ""
        self.opened = self.seated = self.replaced = self.leaving = self.unavailable = False
        self.pending = 0
        self.peer: str | None = None
        self.ended: int | None = None
        self.left = self.restarted = self.join_sent = self.join_answered = -1.0
        self.first_join = self.replaced_at = math.inf
        self.words: list[Word] = []
        self.errors: list[float] = []
        self.byes: list[tuple[str, float]] = []
        self._record = record
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._asked = self._answered = 0
        self._entered = ""
        self._last_heard: Word | None = None
        record.connections.append(self)

    # What it does.

    async def open(self, server: Server, round_: Round) -> None:
        """Connect.

        Raises:
            OSError, TimeoutError or WebSocketException: it is not possible at the moment.
        """
        self._round = round_
        self.note(f"connects to host {self.host}")
        try:
            self._socket = await connect(
                f"ws://127.0.0.1:{server.port}/", compression=None, ping_interval=None, open_timeout=CONNECT_SECONDS
            )
        except BaseException:
            self.leaving, self.ended = True, 1006
            self.note("cannot connect")
            raise
        self.opened = True
        self._reader = asyncio.create_task(self._read())

    async def join(self) -> None:
        self.pending += 1
        self.join_sent = self._record.clock.now()
        self.first_join = min(self.first_join, self.join_sent)
        self.note("joins")
        await self._send(type="join", userId=self.name, remoteId=self.remote)

    async def bye(self) -> None:
        """Leave the room and keep the connection."""
        self.note("says bye")
        self._leave()
        await self._send(type="bye")

    async def say(self) -> Word | None:
        """Say the next word, with a ping behind it; None if the connection ended."""
        answered = self.join_answered if self.join_answered >= self.join_sent else math.inf
        word = Word(self.label, next(self._numbers), self._record.clock.now(), self.join_sent, answered, self.peer)
        self.words.append(word)
        self.note(f"says {word.number}")
        await self._send(type="message", data={"speaker": self.label, "number": word.number})
        await self.ping()
        return word if self.ended is None else None

    async def ping(self) -> None:
        self._asked += 1
        await self._send(type="ping", id=self._asked)

    @property
    def answered(self) -> bool:
        """Whether all is answered that it asked."""
        return self.ended is not None or (self._answered == self._asked and not self.pending)

    async def close(self) -> None:
        self.note("closes")
        self._end_stay()
        if self._socket is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._socket.close(), CONNECT_SECONDS)
            self._socket.transport.abort()

    def drop(self, reset: bool = False) -> None:
        """End the TCP connection without a close frame."""
        self.note("resets" if reset else "drops")
        self._end_stay()
        if self._socket is not None:
            if reset:
                sock = self._socket.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._socket.transport.abort()
        self._over(1006)

    def note(self, what: str) -> None:
        self._record.note(f"{self.name} {self.label}", what)

    def begin_round(self, round_: Round) -> None:
        """Forget the round before."""
        self._round = round_
        self.words, self.errors, self.byes = [], [], []
        self.unavailable = False
        self.left = -1.0

    # What it is told.

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            while True:
                self._take(json.loads(await self._socket.recv()))
        except ConnectionClosed as end:
            self._over(end.rcvd.code if end.rcvd else 1006)

    def _take(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "pong":
                self._answered = told["id"]
            case "message":
                self._hear(told)
            case "created" | "joined" | "ready":
                self.note(f"is told {told['type']}")
                self._entered = told["type"]
                self.restarted = self._record.clock.now()
            case "bye":
                self._hear_bye(told)
            case "roomInfo":
                self._look(told)
            case "error":
                self._hear_error(told)
            case _:
                self._fault("error", f"is told {told}")

    def _hear(self, told: dict[str, Any]) -> None:
        label, number = told["data"]["speaker"], told["data"]["number"]
        self.note(f"hears {number} of {label}")
        speaker = next((c for c in self._record.connections if c.label == label), None)
        if speaker is None or (speaker.name, speaker.remote) != (self.remote, self.name) or told["from"] != self.remote:
            self._fault("sender", f"hears {told}, which is not for it")
            return
        word = next((word for word in speaker.words if word.number == number), None)
        if word is None:
            self._fault("order", f"hears {number} of {label} of a round before")
            return
        last, self._last_heard = self._last_heard, word
        if last is not None and (
            word.number <= last.number if word.connection == last.connection else word.join_answered < last.join_sent
        ):
            self._fault("order", f"hears {number} of {label} after {last.number} of {last.connection}")
        word.heard = True

    def _hear_bye(self, told: dict[str, Any]) -> None:
        self.note(f"is told bye of {self._label(told['id'])}, {told['reason']}")
        if told["id"] != self.peer:
            self._fault("bye", f"is told bye of {self._label(told['id'])}; its peer is {self._label(self.peer)}")
        self.byes.append((told["id"], self._record.clock.now()))
        self._entered = "bye"

    def _look(self, info: dict[str, Any]) -> None:
        ids = {user["userId"]: user["id"] for user in info["users"]}
        self.id = ids.pop(self.name, "")
        self.peer = ids.pop(self.remote, None)
        self.note(f"is told that its peer is {self._label(self.peer)}")
        alone = self._entered in ("created", "bye")
        if not self.id or ids or len(info["users"]) != info["userCount"] or alone is not (self.peer is None):
            self._fault("room", f"is told {self._entered}, and then {info}")
        if self._entered in ("created", "joined"):
            self.pending = max(0, self.pending - 1)
            self.join_answered = self._record.clock.now()
            if not self.leaving and not self.pending:
                self.seated = True
        self._entered = ""

    def _hear_error(self, told: dict[str, Any]) -> None:
        code = told["code"]
        self.note(f"is told the error {code}")
        if code not in EXPECTED_ERRORS:
            self._fault("error", f"is told {told}")
        elif code == "replaced":
            self.replaced, self.replaced_at = True, self._record.clock.now()
            self._leave()
        elif code == "unavailable" and not self._round.broken:
            self._fault("error", f"is told {told} while nothing was broken")
        if code == "unavailable":
            self.unavailable = True
        self.errors.append(self._record.clock.now())

    # Its end.

    def _leave(self) -> None:
        self.seated = False
        self.left = self._record.clock.now()

    def _end_stay(self) -> None:
        self.leaving = True
        self._leave()

    def _over(self, code: int) -> None:
        if self.ended is not None:
            return
        self.ended = code
        self.note(f"ends with {code}")
        excused = (
            self.leaving
            or (self.replaced and code == 4001)
            or (self.unavailable and code == 1013)
            or (code in (1006, 1012) and self._round.worker_ended(self.host))
        )
        if not excused:
            self._fault("end", f"ends with {code}, and nobody ended it")
        self._end_stay()

    async def _send(self, **fields: Any) -> None:
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(json.dumps(fields))

    def _label(self, id_: str | None) -> str:
        found = next((c for c in self._record.connections if c.id == id_), None) if id_ else None
        return found.label if found else str(id_)

    def _fault(self, rule: str, what: str) -> None:
        self._record.fault(rule, f"{self.name} {self.label} at host {self.host} {what}")
