"""The Lua scripts, each one step of Redis, and the seats and states of rooms that they return."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files

import msgspec

from ...protocol.messages import Pair, User
from ..events import Call, Event, EventType, Waiting


class Seat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The place of a connection in a room."""

    id: str
    worker: str
    stamp: int
    """The time of its arrival, in microseconds since 1970; unique in its room."""
    json: str
    """The user's id as the client wrote it."""
    key: str
    since: int = 0
    """The time of its arrival or of its latest restore, likewise; 0 if a node of an older version wrote the seat."""

    @property
    def user(self) -> User:
        """Return the user of the connection."""
        return User(self.key, self.json.encode())


class CallEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The call of a room, or the wait that may become one, as ``call.lua`` describes it."""

    id: str
    sequence: int
    waiting: str
    started: float
    parted: float
    hung_up: bool
    alone: str
    first_json: str
    second_json: str
    first: str
    second: str
    came: bool = True
    answered: float = 0.0

    def to_call(self) -> Call:
        """Return the call that goes on."""
        return Call(id=self.id, users=(self.first, self.second), started_at=self.started / MICROSECONDS)

    def to_waiting(self) -> Waiting:
        """Return the wait."""
        peer = self.second if self.waiting == self.first else self.first
        return Waiting(user=self.waiting, peer=peer, since=self.started / MICROSECONDS)


class CallEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event of a call or of a wait, as a script returns it."""

    type: EventType
    at: float
    id: str
    sequence: int
    started: float
    user: str
    detail: str
    """The outcome of a wait, or why a call ended."""
    first_json: str
    second_json: str
    answered: float = 0.0
    """When the call was answered, or 0. A node of an older version writes none."""

    def to_event(self, pair: Pair) -> Event:
        """Return the event for the app; ``pair`` is that of the room."""
        at, call = self.at / MICROSECONDS, None
        if not self.user:
            ended = self.type == EventType.CALL_ENDED
            call = Call(
                id=self.id,
                users=(pair.first, pair.second),
                started_at=self.started / MICROSECONDS,
                ended_at=at if ended else None,
                reason=self.detail if ended else None,
            )
        return Event(
            type=self.type,
            call_id=self.id,
            sequence=self.sequence,
            at=at,
            pair=pair,
            json=(self.first_json.encode(), self.second_json.encode()),
            user=self.user,
            outcome=self.detail if self.user else "",
            call=call,
            began=self.started / MICROSECONDS,
            answered=self.answered / MICROSECONDS if self.answered else None,
        )


class RoomState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A room after a change."""

    first: str
    second: str
    seats: tuple[Seat, ...]
    """In order of arrival."""
    lost: tuple[str, str] | bool
    """The id of the connection that lost its seat, and the reason; False if none did."""
    announced: bool = True
    """Whether another node received the state. Only a reply to ``restore`` can say no."""
    call: CallEntry | bool = False
    """The entry of the room's call; False if it has none."""
    events: tuple[CallEvent, ...] = ()
    """What this node tells its app."""
    receipt: str = ""
    """With it, the node removes the events from Redis."""

    @property
    def pair(self) -> Pair:
        """Return the pair of the room."""
        return Pair(self.first, self.second)

    def reason(self, id_: str) -> str | None:
        """Return why the connection ``id_`` lost its seat; None if it did not."""
        return self.lost[1] if isinstance(self.lost, tuple) and self.lost[0] == id_ else None


decode_room_state = msgspec.msgpack.Decoder(RoomState).decode

encode = msgspec.msgpack.Encoder().encode

decode_call = msgspec.msgpack.Decoder(CallEntry).decode

decode_pair = msgspec.msgpack.Decoder(tuple[str, str]).decode

decode_place = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
"""Decode an item of a node's index: the pair of a connection's room, and its user's key."""

MICROSECONDS = 1_000_000

_ROOM_SCRIPTS = ("join", "leave", "restore", "end", "expire", "answer")
_NODE_SCRIPTS = ("register", "heartbeat", "evict")


class Scripts:
    """The scripts for a single server or for a cluster.

    Attributes:
        publish: the command that publishes.
        subscribe: the command that subscribes.
        sources: the scripts for ``SCRIPT LOAD``.
        digests: the SHA-1 of each script for ``EVALSHA``, by the script's name.
    """

    def __init__(self, *, sharded: bool) -> None:
        """Read the scripts.

        In a cluster (``sharded``), a channel belongs to one shard, as a key does. Otherwise every server would carry
        every message.
        """
        self.publish, self.subscribe = ("SPUBLISH", "SSUBSCRIBE") if sharded else ("PUBLISH", "SUBSCRIBE")
        folder = files(__package__) / "lua"
        node = (folder / "node.lua").read_text()
        parts = [(folder / name).read_text() for name in ("room.lua", "call.lua")]
        room = f"{node}local PUBLISH = '{self.publish}'\n{''.join(parts)}"
        named = {name: room + (folder / f"{name}.lua").read_text() for name in _ROOM_SCRIPTS}
        named |= {name: node + (folder / f"{name}.lua").read_text() for name in _NODE_SCRIPTS}
        self.sources = list(named.values())
        # Redis names scripts by their SHA-1. Security does not depend on it.
        self.digests = {name: sha1(source.encode()).hexdigest() for name, source in named.items()}  # noqa: S324
