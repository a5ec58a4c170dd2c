"""The rooms of one process, in its memory, protected by a lock.

No code yields, sends or logs under the lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from ..protocol import errors
from ..protocol.messages import Pair, User
from .calls import Calls
from .events import Call, Event, EventSink, Listing, Waiting, ignore
from .registry import JoinResult, Member, Peer

MAX_BARS = 100_000
"""Users who are barred at the same time. Above that, the earliest bar ends."""


class MemoryRegistry:
    """The rooms of one process, in its memory.

    Attributes:
        on_event: receives the events of calls and waits.
    """

    def __init__(self, call_grace: float = 20.0) -> None:
        """Start without rooms; a call continues if a user returns within ``call_grace`` seconds."""
        self.on_event: EventSink = ignore
        self._lock = threading.Lock()
        self._rooms: dict[Pair, list[Member]] = {}
        self._calls = Calls(call_grace)
        # The end of each bar, in seconds of the monotonic clock.
        self._bars: dict[str, float] = {}

    @property
    def directory(self) -> MemoryRegistry:
        """Return the calls and the waits."""
        return self

    @property
    def call_grace(self) -> float:
        """The seconds within which a user returns to their call."""
        return self._calls.grace

    @call_grace.setter
    def call_grace(self, seconds: float) -> None:
        self._calls.grace = seconds

    @property
    def room_count(self) -> int:
        """Return the number of rooms."""
        return len(self._rooms)

    def join(self, pair: Pair, member: Member, remote: User, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member`` into the room of ``pair``. Does not wait."""
        with self._lock:
            if self._bars and self._is_barred(member.user.key):
                raise errors.barred()
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
            self._tell(self._calls.joined(pair, member.user, remote, alone=peer is None))
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
            pair = member.pair
            if pair is None:
                return None
            room = self._rooms[pair]
            room.remove(member)
            if not room:
                del self._rooms[pair]
            member.pair = member.peer = None
            self._tell(self._calls.left(pair, member.user.key, reason, alone=bool(room)))
            if not room:
                return None
            [peer] = room
            peer.peer = None
        peer.peer_left(member, reason)
        return peer

    def is_alone(self, pair: Pair, user: str) -> bool:
        """Tell if ``user`` is alone in the room of ``pair``."""
        with self._lock:
            return [member.user.key for member in self._rooms.get(pair, ())] == [user]

    def members_of(self, pair: Pair) -> list[Member]:
        """Return the connections to this process in the room of ``pair``."""
        with self._lock:
            return list(self._rooms.get(pair, ()))

    # Calls and waits.

    def calls(self) -> Listing[Call]:
        """Return the calls that go on, oldest first."""
        with self._lock:
            return Listing(self._calls.calls())

    def waits(self) -> Listing[Waiting]:
        """Return the users who wait, oldest first."""
        with self._lock:
            return Listing(self._calls.waits())

    def answered(self, pair: Pair) -> None:
        """Note that the call of ``pair`` was answered. Does not wait."""
        with self._lock:
            self._calls.answered(pair)

    def end_call(self, call_id: str) -> Pair | None:
        """End the call with this id, and return its room; its members stay there."""
        with self._lock:
            pair = self._calls.find(call_id)
            if pair is not None:
                self._tell(self._calls.end(pair, "ended"))
            return pair

    def end_all_calls(self, reason: str) -> None:
        """End all calls for ``reason``, and all waits as lost, since the process ends."""
        with self._lock:
            self._tell(self._calls.end_all(reason))

    def expire(self) -> None:
        """End the calls to which a user did not return in time."""
        with self._lock:
            self._tell(self._calls.expire())

    def _tell(self, events: Iterable[Event]) -> None:
        # Under the lock, so that the events of a call are in order. The receiver only puts them in a queue.
        for event in events:
            self.on_event(event)

    def bar(self, user: str, seconds: float) -> None:
        """Refuse the joins of ``user`` for ``seconds``."""
        now = time.monotonic()
        with self._lock:
            self._bars.pop(user, None)
            if len(self._bars) >= MAX_BARS:
                self._bars = {key: end for key, end in self._bars.items() if end > now}
            if len(self._bars) >= MAX_BARS:
                del self._bars[min(self._bars, key=self._bars.__getitem__)]
            self._bars[user] = now + seconds

    def _is_barred(self, user: str) -> bool:
        end = self._bars.get(user)
        if end is None or end > time.monotonic():
            return end is not None
        del self._bars[user]
        return False


rooms = MemoryRegistry()
"""The rooms of the first app of this process. The service has no other app.

A second worker would have other rooms.
"""

_free = [rooms]


def take_rooms(call_grace: float) -> MemoryRegistry:
    """Return the rooms of one more app: :data:`rooms` the first time, then new ones.

    Apps never share rooms, since their rules for joins may differ.
    """
    registry = _free.pop() if _free else MemoryRegistry()
    registry.call_grace = call_grace
    return registry
