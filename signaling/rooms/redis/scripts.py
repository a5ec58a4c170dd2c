"""The Lua scripts, each one step of Redis, and the seats and states of rooms that they return."""

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

    @property
    def pair(self) -> Pair:
        """Return the pair of the room."""
        return Pair(self.first, self.second)

    def reason(self, id_: str) -> str | None:
        """Return why the connection ``id_`` lost its seat; None if it did not."""
        return self.lost[1] if isinstance(self.lost, tuple) and self.lost[0] == id_ else None


decode_room_state = msgspec.msgpack.Decoder(RoomState).decode

encode_seat = msgspec.msgpack.Encoder().encode

decode_place = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
"""Decode an item of a node's index: the pair of a connection's room, and its user's key."""

_ROOM_SCRIPTS = ("join", "leave", "restore")
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
        room = f"{node}local PUBLISH = '{self.publish}'\n{(folder / 'room.lua').read_text()}"
        named = {name: room + (folder / f"{name}.lua").read_text() for name in _ROOM_SCRIPTS}
        named |= {name: node + (folder / f"{name}.lua").read_text() for name in _NODE_SCRIPTS}
        self.sources = list(named.values())
        # Redis names scripts by their SHA-1. Security does not depend on it.
        self.digests = {name: sha1(source.encode()).hexdigest() for name, source in named.items()}  # noqa: S324
