"""The interface of the rooms: which pair is met by whom.

Joining and leaving change membership, and leave each member holding its peer; a relay takes no lock and only reads
:attr:`Member.peer`. ``memory.py`` has the rooms of one process, ``redis/registry.py`` those that several share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..protocol.errors import MessageError
from ..protocol.messages import Pair, User


class Occupant(Protocol):
    """Whoever has a place in a room."""

    @property
    def id(self) -> str:
        """Return what is unique for each connection."""

    @property
    def user(self) -> User:
        """Return who it is, in this room."""


class Peer(Occupant, Protocol):
    """The other one in a room: a session of this process, or one elsewhere."""

    @property
    def is_remote(self) -> bool:
        """Tell if its connection is another process's."""

    @property
    def deliver(self) -> Callable[..., None]:
        """Send replies, as bytes, to its client. Neither waits nor raises."""


class Member(Peer, Protocol):
    """Somebody in a room whose connection is here. What it is told neither waits nor raises.

    Attributes:
        pair: the room it is in, or None. Written by the registry alone.
        peer: the other one in the room, or None. Written by the registry alone.
    """

    pair: Pair | None
    peer: Peer | None

    def peer_joined(self, members: Sequence[Occupant]) -> None:
        """Its peer came; ``members`` are in order of arrival."""

    def peer_left(self, gone: Peer, reason: str) -> None:
        """Its peer left: ``left`` or ``lost``."""

    def replaced(self, *, is_remote: bool = False) -> None:
        """A newer connection of its user, here or elsewhere, has its place."""

    def refuse(self, error: MessageError) -> None:
        """Something that it asked for cannot be done."""


class JoinResult(NamedTuple):
    """What an :meth:`Registry.join` changed."""

    replaced: str | None
    """The connection that had this user's place before and is out now; None as well when it was the member itself."""
    peer: Peer | None
    members: Sequence[Occupant]
    """In order of arrival, the one who entered last."""


class Registry(Protocol):
    """The rooms. Empty ones do not exist; nobody is in two. Members are told of what others do to their rooms."""

    @property
    def room_count(self) -> int:
        """Return the number of rooms; if several nodes share them, of those that count at this one."""

    def join(self, pair: Pair, member: Member, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member``, who is in no other room, into the room of ``pair``, in the place of its user if taken.

        It may wait. ``on_joined`` is called before anything else can happen in the room; it must not wait.

        Raises:
            MessageError: ``unavailable``.
        """

    def leave(self, member: Member, reason: str) -> Peer | None:
        """Take ``member`` out of its room and return the peer it leaves behind; harmless when it is in none.

        It does not wait. ``reason`` is what the peer is told.
        """

    def is_alone(self, pair: Pair, user: User) -> bool:
        """Tell if ``user``, whose connection is here, is in the room of ``pair``, and nobody else."""
