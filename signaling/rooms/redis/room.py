"""A room in Redis as one node knows it: the members of its own, and the seats of all."""

from __future__ import annotations

import struct

from ...protocol import errors
from ...protocol.messages import Pair
from ..registry import Member
from .bus import MESSAGE, RECORD_HEAD
from .connection import RedisConnection
from .scripts import CallEntry, Seat

_pack_head = RECORD_HEAD.pack
_pack_since = struct.Struct(">QQ").pack


class Room:
    """A room with a member of this node.

    Attributes:
        members: the members of this node, by their users' keys.
        seats: the seats of all nodes, as of the latest state from Redis, in order of arrival.
        call: the entry of its call, likewise; None if it has none.
    """

    __slots__ = ("call", "members", "seats")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.seats: tuple[Seat, ...] = ()
        self.call: CallEntry | None = None

    def has(self, seat: Seat) -> bool:
        """Tell if a member of this node has ``seat``."""
        member = self.members.get(seat.key)
        return member is not None and member.id == seat.id


class RemotePeer:
    """A peer whose connection another node has, as one member of this node sees it.

    It uses the connection to Redis over which the two met. If that breaks, they meet again over the next one.

    Attributes:
        inbound_route: the route of the peer's messages to the member.
        meeting: differs each time the two meet, because one of them arrived or was restored.
    """

    is_remote = True

    __slots__ = ("_channel", "_connection", "_member", "_route", "id", "inbound_route", "meeting", "user")

    def __init__(
        self, member: Member, own: Seat, seat: Seat, connection: RedisConnection | None, channel: bytes
    ) -> None:
        """Make the peer that has ``seat``, for ``member``, who has the seat ``own``.

        Args:
            member: the member of this node.
            own: the member's seat.
            seat: the peer's seat.
            connection: the connection to Redis, or None while there is none.
            channel: the channel of the peer's node.
        """
        self.id = seat.id
        self.user = seat.user
        self.meeting = (seat.id, seat.stamp, seat.since, own.since)
        self.inbound_route = _route(seat, own)
        self._route = _route(own, seat)
        self._member = member
        self._connection = connection
        self._channel = channel

    def deliver(self, payload: bytes) -> None:
        """Forward a message to the other node. Neither waits nor raises."""
        connection = self._connection
        if connection is None or connection.broken or connection.congested:
            self._member.refuse(errors.no_relay())
        else:
            connection.publish(self._channel, _pack_head(MESSAGE, self._route, len(payload)) + payload, self)

    def undelivered(self) -> None:
        """Tell the member that a message was lost, unless it knows already that this peer is gone."""
        peer = self._member.peer
        if peer is not None and peer.id == self.id:
            self._member.refuse(errors.no_relay())


def _route(sender: Seat, receiver: Seat) -> bytes:
    """Return the route from one connection to another: 32 bytes, which differ each time the two meet.

    A message from before their latest meeting finds no route, since it would arrive after newer ones.
    """
    if not sender.since or not receiver.since:
        # A node of an older version wrote one of the seats.
        return f"{sender.id}{receiver.id}".encode()
    return bytes.fromhex(sender.id + receiver.id) + _pack_since(sender.since, receiver.since)


def room_key(pair: Pair) -> str:
    """Return the part of a Redis key that names the room of ``pair``."""
    # The length distinguishes (a_b, c) from (a, b_c).
    return f"{len(pair.first)}:{pair.first}_{pair.second}"
