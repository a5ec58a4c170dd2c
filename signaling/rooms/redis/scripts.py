"""What Redis does in one step (``lua/``), and what it says of a room then."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files

import msgspec

from ...protocol.messages import Pair, User


class Seat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The place of a connection in a room."""

    id: str
    worker: str
    stamp: int
    """When it arrived, in microseconds since 1970; unique in its room."""
    json: str
    """The user's id as the client wrote it."""
    key: str
    since: int = 0
    """When it arrived, or its worker last put it back, likewise. 0 where an older version put it there."""

    @property
    def user(self) -> User:
        """Return whose it is."""
        return User(self.key, self.json.encode())


class RoomState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a room is after a change."""

    first: str
    second: str
    seats: tuple[Seat, ...]
    """In order of arrival."""
    lost: tuple[str, str] | bool
    """The connection that lost its seat, and why; False if none did."""
    announced: bool = True
    """Whether another worker heard of it; known of an answer to ``restore`` alone."""

    @property
    def pair(self) -> Pair:
        """Return whose room it is."""
        return Pair(self.first, self.second)

    def reason(self, id_: str) -> str | None:
        """Return why the connection ``id_`` lost its seat, None if it was not this one that did."""
        return self.lost[1] if isinstance(self.lost, tuple) and self.lost[0] == id_ else None


decode_room_state = msgspec.msgpack.Decoder(RoomState).decode

encode_seat = msgspec.msgpack.Encoder().encode

decode_place = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
"""The pair of a connection's room, and its user's key."""

_OF_ROOMS = ("join", "leave", "restore")
_OF_WORKERS = ("register", "heartbeat", "evict")


class Scripts:
    """The scripts, as one kind of Redis wants them.

    Attributes:
        publish: the command that publishes.
        subscribe: the command that subscribes.
        sources: what is to be loaded.
        digests: what each is called by, by its name.
    """

    def __init__(self, *, sharded: bool) -> None:
        """In a cluster (``sharded``) a channel is one shard's, as a key is; else the others would all hear of it."""
        self.publish, self.subscribe = ("SPUBLISH", "SSUBSCRIBE") if sharded else ("PUBLISH", "SUBSCRIBE")
        folder = files(__package__) / "lua"
        common = f"local PUBLISH = '{self.publish}'\n{(folder / 'room.lua').read_text()}"
        named = {name: common + (folder / f"{name}.lua").read_text() for name in _OF_ROOMS}
        named |= {name: (folder / f"{name}.lua").read_text() for name in _OF_WORKERS}
        self.sources = list(named.values())
        # Not for safety: it is how Redis names them.
        self.digests = {name: sha1(source.encode()).hexdigest() for name, source in named.items()}  # noqa: S324
