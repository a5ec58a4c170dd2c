"""The calls of the rooms and the users who wait, as an app is told of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

import msgspec

from ..protocol.messages import Pair


class EventType(StrEnum):
    """The type of an :class:`Event`, which is also the type of its webhook."""

    WAITING = "user.waiting"
    WAITING_ENDED = "user.waiting_ended"
    CALL_STARTED = "call.started"
    CALL_ENDED = "call.ended"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call of two users, from the moment when both are in their room.

    It continues while one of them reloads or reconnects, for ``SIGNALING_CALL_GRACE`` seconds.
    """

    id: str
    """Unique among all calls. It is the key for what an app must do only once for each call."""
    users: tuple[str, str]
    """The ids of the two users, sorted."""
    started_at: float
    """The start, in seconds since 1970."""
    connected_at: float | None = None
    """The time when the browsers connected, in seconds since 1970; None if no browser reported it."""
    ended_at: float | None = None
    """The last moment with both users in the room, in seconds since 1970; None while the call goes on."""
    reason: str | None = None
    """Why it ended: ``left``, ``lost``, ``ended`` (by the app) or ``restart``; None while the call goes on."""
    path: str | None = None
    """The path of the media, ``direct`` or ``relay``; None if no browser reported it."""
    outcome: str | None = None
    """The result for the users; None if no browser reported it."""

    @property
    def duration(self) -> float:
        """The seconds from the start to the end; 0.0 while the call goes on."""
        return 0.0 if self.ended_at is None else self.ended_at - self.started_at


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A user who waits for an absent peer."""

    user: str
    """The id of the user."""
    peer: str
    """The id of the absent user."""
    since: float
    """The time of the join, in seconds since 1970."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a call or of a wait. Each is told once, whichever node and room it happened in."""

    type: EventType
    call_id: str
    """The id of the call. A wait has the id of the call that it may become."""
    sequence: int
    """The number of the event among those of its call, from 1."""
    at: float
    """The time of the change, in seconds since 1970."""
    pair: Pair
    json: tuple[bytes, bytes]
    """The ids of the two users as their clients wrote them."""
    user: str = ""
    """The user who waits or waited; empty for an event of a call."""
    outcome: str = ""
    """The end of a wait: ``met``, ``left`` or ``lost``; empty for other events."""
    call: Call | None = None
    """The call; None for an event of a wait."""
    began: float = 0.0
    """The start of the call or of the wait, in seconds since 1970."""
    answered: float | None = None
    """When the first answer was forwarded, in seconds since 1970; None if none was, or if no log needs it."""

    @property
    def peer(self) -> str:
        """The absent user of a wait."""
        return self.pair.second if self.user == self.pair.first else self.pair.first

    def json_of(self, user: str) -> bytes:
        """Return the id of ``user`` as their client wrote it."""
        return self.json[self.pair.index(user)]


EventSink = Callable[[Event], object]
"""Receives each event. It neither waits nor raises."""


def ignore(event: Event) -> None:
    """Receive an event that nobody wants."""


T = TypeVar("T")


class Listing(list[T]):
    """The calls or the waits of all nodes, oldest first.

    Attributes:
        partial: whether those of other nodes are missing, since Redis cannot be reached.
    """

    def __init__(self, items: Iterable[T] = (), *, partial: bool = False) -> None:
        super().__init__(items)
        self.partial = partial
