"""The rooms of one process, in its memory, protected by a lock.

No code yields, sends or logs under the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..protocol.messages import Pair, User
from .registry import JoinResult, Member, Peer


class MemoryRegistry:
    """The rooms of one process, in its memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: dict[Pair, list[Member]] = {}

    @property
    def room_count(self) -> int:
        """Return the number of rooms."""
        return len(self._rooms)

    def join(self, pair: Pair, member: Member, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member`` into the room of ``pair``. Does not wait."""
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
            members = tuple(room)
        if replaced is member:
            replaced = None
        if replaced is not None:
            replaced.replaced()
        on_joined(JoinResult(replaced.id if replaced is not None else None, peer, members))
        if peer is not None:
            peer.peer_joined(members)

    def leave(self, member: Member, reason: str) -> Peer | None:
        """Take ``member`` out of its room, and return the peer that stays."""
        with self._lock:
            if member.pair is None:
                return None
            room = self._rooms[member.pair]
            room.remove(member)
            if not room:
                del self._rooms[member.pair]
            member.pair = member.peer = None
            if not room:
                return None
            [peer] = room
            peer.peer = None
        peer.peer_left(member, reason)
        return peer

    def is_alone(self, pair: Pair, user: User) -> bool:
        """Tell if ``user`` is alone in the room of ``pair``."""
        with self._lock:
            return [member.user.key for member in self._rooms.get(pair, ())] == [user.key]


rooms = MemoryRegistry()
"""The rooms of the first app of this process. The service has no other app.

A second worker would have other rooms.
"""

_free = [rooms]


def take_rooms() -> MemoryRegistry:
    """Return the rooms of one more app: :data:`rooms` the first time, then new ones.

    Apps never share rooms, since their rules for joins may differ.
    """
    try:
        return _free.pop()
    except IndexError:
        return MemoryRegistry()
