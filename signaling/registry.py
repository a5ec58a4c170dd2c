"""The rooms: which pair is met by whom. A lock-protected registry in memory, one a process.

Joining and leaving change membership under the lock, and leave each member holding its peer; a relay takes no lock
and only reads :attr:`Member.peer`. Nothing yields, sends or logs under the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from .protocol import Pair, User


class Member(Protocol):
    """Somebody in a room: a connection's session.

    Attributes:
        id: opaque, unique for each connection.
        user: who it is, in this room.
        pair: the room it is in, or None. Written by the registry alone.
        peer: the other one in the room, or None. Written by the registry alone.
    """

    id: str
    user: User
    pair: Pair | None
    peer: Member | None

    @property
    def deliver(self) -> Callable[..., None]:
        """Send replies, as bytes, to its client. Neither waits nor raises."""

    def dismiss(self) -> None:
        """Tell its client that somebody took its place, and close. Neither waits nor raises."""


class Entry(NamedTuple):
    """What an :meth:`Registry.enter` changed."""

    replaced: Member | None
    """Who had this user's place before and is out now; None as well when it was the member itself."""
    peer: Member | None
    members: tuple[Member, ...]
    """In order of arrival, the one who entered last."""


class Registry:
    """The rooms of one process. Empty rooms do not exist; nobody is in two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: dict[Pair, list[Member]] = {}

    def __len__(self) -> int:
        """The number of rooms."""
        return len(self._rooms)

    def enter(self, pair: Pair, member: Member) -> Entry:
        """Put ``member``, who is in no other room, into the room of ``pair``, in the place of its user if taken."""
        with self._lock:
            room = self._rooms.setdefault(pair, [])
            replaced = next((other for other in room if other.user.key == member.user.key), None)
            if replaced is not None:
                room.remove(replaced)
                replaced.pair = replaced.peer = None
            peer = room[0] if room else None
            room.append(member)
            member.pair, member.peer = pair, peer
            if peer is not None:
                peer.peer = member
            return Entry(None if replaced is member else replaced, peer, tuple(room))

    def leave(self, member: Member) -> Member | None:
        """Take ``member`` out of its room and return the peer it leaves behind; harmless when it is in none."""
        with self._lock:
            if member.pair is None:
                return None
            room = self._rooms[member.pair]
            room.remove(member)
            if not room:
                del self._rooms[member.pair]
            peer = member.peer
            member.pair = member.peer = None
            if peer is not None:
                peer.peer = None
            return peer

    def is_alone(self, pair: Pair, user: User) -> bool:
        """Tell if ``user`` is in the room of ``pair``, and nobody else."""
        with self._lock:
            return [member.user.key for member in self._rooms.get(pair, ())] == [user.key]


rooms = Registry()
"""The rooms of this process. In memory they are its own: a second worker would have others."""
