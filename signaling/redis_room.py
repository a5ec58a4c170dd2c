"""What one worker knows of a room in Redis: who of its own is there, and who is elsewhere."""

from __future__ import annotations

from . import protocol
from .redis_channels import MESSAGE, head
from .redis_links import Links
from .redis_scripts import Seat
from .registry import Member

_pack_head = head.pack


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


class Elsewhere:
    """A peer whose connection is another worker's, as one member of ours sees it."""

    elsewhere = True

    __slots__ = ("_channel", "_links", "_member", "_number", "_route", "back", "id", "stamp", "user")

    def __init__(self, member: Member, seat: Seat, links: Links, number: int) -> None:
        self.id = seat.id
        self.user = seat.user
        self.stamp = seat.stamp
        # A message goes from one connection to one other, whatever user they are of.
        self._route = f"{member.id}{seat.id}".encode()
        self.back = f"{seat.id}{member.id}".encode()
        self._member = member
        self._links = links.up
        self._number = number
        self._channel = links.channel(number, seat.worker)

    def deliver(self, payload: bytes) -> None:
        """Pass a message on to the other worker."""
        link = self._links[self._number]
        if link is None or link.congested:
            self._member.refuse(protocol.no_relay())
        else:
            link.publish(self._channel, _pack_head(MESSAGE, self._route, len(payload)) + payload)
