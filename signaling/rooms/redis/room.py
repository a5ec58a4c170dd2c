"""What one worker knows of a room in Redis: who of its own is there, and who is elsewhere."""

from __future__ import annotations

import struct

from ...protocol import errors
from ..registry import Member
from .bus import MESSAGE, head
from .connection import RedisConnection
from .scripts import Seat

_pack_head = head.pack
_pack_since = struct.Struct(">QQ").pack


class Room:
    """What this worker knows of a room that somebody of its own is in.

    Attributes:
        here: those members, by their users' keys.
        seats: all of them as Redis last told, in order of arrival.
    """

    __slots__ = ("here", "seats")

    def __init__(self) -> None:
        self.here: dict[str, Member] = {}
        self.seats: tuple[Seat, ...] = ()

    def has(self, seat: Seat) -> bool:
        """Tell if the connection of ``seat`` is here."""
        here = self.here.get(seat.key)
        return here is not None and here.id == seat.id


class RemotePeer:
    """A peer whose connection is another worker's, as one member of ours sees it.

    It is bound to the link over which the two met. When that breaks, both meet again over another one.

    Attributes:
        back: the route of what the peer sends.
        meeting: what changes when the two meet again, since one of them arrived or was put back.
    """

    is_remote = True

    __slots__ = ("_channel", "_connection", "_member", "_route", "back", "id", "meeting", "user")

    def __init__(
        self, member: Member, own: Seat, seat: Seat, connection: RedisConnection | None, channel: bytes
    ) -> None:
        """Make the one that ``member``, who has the seat ``own``, sees at ``seat``, reached by ``channel``."""
        self.id = seat.id
        self.user = seat.user
        self.meeting = (seat.id, seat.stamp, seat.since, own.since)
        self.back = _route(seat, own)
        self._route = _route(own, seat)
        self._member = member
        self._connection = connection
        self._channel = channel

    def deliver(self, payload: bytes) -> None:
        """Pass a message on to the other worker."""
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
    """Return the route from one connection to one other: 32 bytes, other ones each time that the two meet.

    So what is still under way when they meet again finds nobody: it would come behind what was sent since.
    """
    if not sender.since or not receiver.since:
        # One of the two is at a worker of an older version.
        return f"{sender.id}{receiver.id}".encode()
    return bytes.fromhex(sender.id + receiver.id) + _pack_since(sender.since, receiver.since)
