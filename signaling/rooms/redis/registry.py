"""The rooms of several nodes, on one host or many. Redis has all of them, and each node those of its own members.

Redis changes a room in one step, and publishes its new state to the nodes that have a member in it. Each node compares
the state with the one it knew, and tells its own clients the difference. So no change is told twice, and a node that
missed a state needs only the next one. Peers of one node reach each other directly. A message for a peer of another
node goes to the channel of that node.

Replies and states arrive over one connection, in the order in which Redis made them. The event loop handles each
without a switch of greenlets, which takes the place of a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.event import AsyncResult

from ...config.settings import Settings
from ...protocol import errors
from ...protocol.messages import Pair, User
from ..registry import JoinResult, Member, Peer
from .bus import RECORD_HEAD, ROOM_STATE, Bus
from .client import RedisClient
from .connection import RedisConnection, RedisConnectionError
from .evictions import batches
from .room import RemotePeer, Room
from .scripts import CallEntry, RoomState, Seat, decode_pair, decode_place, decode_room_state
from .store import RoomStore

_unpack_head = RECORD_HEAD.unpack_from
_HEAD_SIZE = RECORD_HEAD.size


class RedisRegistry:
    """The rooms as one node knows them.

    Attributes:
        redis: the connections to Redis.
        bus: the records from and to the other nodes.
        directory: the calls and the waits of all nodes.
    """

    def __init__(self, settings: Settings, describe: Callable[[], bytes] = lambda: b"{}") -> None:
        """Connect at the first join; ``describe`` returns what this node tells the others about itself, as JSON."""
        self.redis = RedisClient(settings, self, describe)
        self.bus = Bus(self.redis)
        self.directory = self._store = RoomStore(self.redis, settings.node_timeout, self._known_calls, self._apply)
        self._rooms: dict[Pair, Room] = {}
        # A message of a former peer finds no route.
        self._routes = self.bus.routes

    @property
    def room_count(self) -> int:
        """Return the number of rooms whose latest member is here; the sum over all nodes is the number of rooms."""
        worker = self.redis.worker
        return sum(room.seats[-1].worker == worker for room in self._rooms.values())

    # The interface for sessions.

    def join(self, pair: Pair, member: Member, remote: User, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member`` into the room of ``pair``: one round trip to Redis.

        A member that joins again may lose its seat to a newer connection meanwhile. Then it is replaced, and
        ``on_joined`` is not called.

        Raises:
            MessageError: ``unavailable``; ``unauthorized`` if the user is barred.
        """
        done: AsyncResult[None] = AsyncResult()
        held_stamp = self._held_stamp(member)

        def on_reply(reply: Any) -> None:
            try:
                if isinstance(reply, Exception):
                    raise errors.no_join()
                if reply == b"barred":
                    raise errors.barred()
                self._on_join_reply(pair, member, self._store.decode(reply), on_joined, rejoins=bool(held_stamp))
            except Exception as error:
                done.set_exception(error)
            else:
                done.set(None)

        try:
            connection = self.redis.wait_for(self._store.partition(pair))
        except RedisConnectionError:
            raise errors.no_join() from None
        user = member.user
        seat = (member.id, user.json, user.key, remote.json, held_stamp)
        self._store.run(connection, on_reply, "join", pair, *seat)
        done.get()

    def _held_stamp(self, member: Member) -> str:
        """Return the stamp of the seat that ``member`` holds; empty if it is in no room."""
        if member.pair is None:
            return ""
        return next((str(seat.stamp) for seat in self._rooms[member.pair].seats if seat.id == member.id), "")

    def leave(self, member: Member, reason: str) -> Peer | None:
        """Take ``member`` out of its room, and return the peer that stays.

        Redis runs it after all earlier commands, and nobody waits for that.
        """
        pair, peer = member.pair, member.peer
        if pair is None:
            return None
        room = self._rooms[pair]
        self._remove(room, member)
        room.seats = tuple(seat for seat in room.seats if seat.id != member.id)
        if not room.members:
            del self._rooms[pair]
        self._store.leave(pair, member.id, member.user.key, reason, room.call)
        for other in room.members.values():
            self._clear_peer(other)
            other.peer_left(member, reason)
        return peer

    def is_alone(self, pair: Pair, user: str) -> bool:
        """Tell if ``user`` is alone in the room of ``pair``."""
        room = self._rooms.get(pair)
        member = room.members.get(user) if room is not None else None
        return member is not None and member.peer is None

    def _known_calls(self) -> list[CallEntry]:
        return [room.call for room in self._rooms.values() if room.call is not None]

    # Changes of the rooms of this node. None of these waits.

    def _on_join_reply(
        self, pair: Pair, member: Member, state: RoomState, on_joined: Callable[[JoinResult], None], *, rejoins: bool
    ) -> None:
        if not state.seats or state.seats[-1].id != member.id:
            # A newer connection was faster, so Redis did not admit this one.
            self._apply(state)
        elif rejoins and member.pair is None:
            # A newer connection was faster, and has left since.
            self._store.evict(pair, member.id, member.user.key, self.redis.worker, self._apply)
        else:
            self._admit(pair, member, state, on_joined)

    def _admit(self, pair: Pair, member: Member, state: RoomState, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member`` into its room, which has ``state`` since it joined."""
        room = self._rooms.setdefault(pair, Room())
        older = room.members.get(member.user.key)
        if older is not None and older is not member:
            self._remove(room, older)
            older.replaced()
        *others, own = state.seats
        # Members of this node stay. If the node was evicted, Redis lacks them until their room is restored.
        others = [seat for seat in room.seats if room.has(seat) and seat.key != own.key] or others
        others = self._evict_stale(pair, room, others)
        seats = (*others, own)
        room.members[member.user.key], room.seats, member.pair = member, seats, pair
        room.call = _entry(state)
        gone = member.peer
        self._clear_peer(member)
        if gone is not None and not others:
            # The peer left while this node was evicted, so no state told the member.
            member.peer_left(gone, "lost")
        local_peer = None
        for other in others:
            local_peer = room.members.get(other.key)
            if local_peer is not None:
                self._set_peer(room, local_peer, other, own)
            self._set_peer(room, member, own, other)
        replaced = state.lost[0] if isinstance(state.lost, tuple) else None
        on_joined(JoinResult(replaced, member.peer, seats))
        if local_peer is not None:
            local_peer.peer_joined(seats)

    def _evict_stale(self, pair: Pair, room: Room | None, seats: Iterable[Seat]) -> list[Seat]:
        """Evict the seats of this node that no member has, and return the others."""
        kept = []
        for seat in seats:
            if seat.worker == self.redis.worker and (room is None or not room.has(seat)):
                # Its connection left, or never got the reply to its join.
                self._store.evict(pair, seat.id, seat.key, self.redis.worker, self._apply)
            else:
                kept.append(seat)
        return kept

    def _apply(self, state: RoomState) -> None:
        """Take over the state of a room, and tell the members of this node what changes for them."""
        pair, room = state.pair, self._rooms.get(state.pair)
        self._evict_stale(pair, room, state.seats)
        if room is None:
            return
        by_key = {seat.key: seat for seat in state.seats}
        if not room.members.keys() <= by_key.keys():
            # Another node evicted a member of this one.
            self._store.restore(pair, room, self._apply)
            return
        room.seats, room.call = state.seats, _entry(state)
        for key, member in list(room.members.items()):
            if by_key[key].id != member.id:
                self._remove(room, member)
                member.replaced(is_remote=True)
        if not room.members:
            del self._rooms[pair]
        for key, member in room.members.items():
            other = next((seat for seat in state.seats if seat.key != key), None)
            before = member.peer
            if other is None:
                self._clear_peer(member)
                if before is not None:
                    member.peer_left(before, state.reason(before.id) or "lost")
            elif other.worker != self.redis.worker:
                meeting = self._set_peer(room, member, by_key[key], other)
                previous = before.meeting if isinstance(before, RemotePeer) and before.id == other.id else None
                # If the other node did not receive the state, both start over once it is back.
                if previous is None or (previous != meeting and state.announced):
                    member.peer_joined(state.seats)

    def _set_peer(self, room: Room, member: Member, own: Seat, seat: Seat) -> object:
        """Make the connection with ``seat`` the peer of ``member``, who has the seat ``own``.

        Return the peer's :attr:`RemotePeer.meeting`, or None if it is a member of this node.
        """
        self._clear_peer(member)
        assert member.pair is not None
        local_peer = room.members.get(seat.key)
        if local_peer is not None:
            member.peer = local_peer
            return None
        partition = self._store.partition(member.pair)
        connection, channel = self.redis.connection_of(partition), self.redis.channel(partition, seat.worker)
        peer = member.peer = RemotePeer(member, own, seat, connection, channel)
        self._routes[peer.inbound_route] = member.deliver
        return peer.meeting

    def _clear_peer(self, member: Member) -> None:
        if isinstance(member.peer, RemotePeer):
            del self._routes[member.peer.inbound_route]
        member.peer = None

    def _remove(self, room: Room, member: Member) -> None:
        del room.members[member.user.key]
        self._clear_peer(member)
        member.pair = None

    # The rooms in Redis.

    def evict(self, pair: Pair, id_: str, key: str, worker: str) -> None:
        """Evict a connection of the dead node ``worker`` from its room. Does not wait."""
        self._store.evict(pair, id_, key, worker, self._apply)

    def expire(self, partition: int, ending: list[bytes]) -> None:
        """End the calls of these pairs, which are packed, if their grace is over; and tell events. Does not wait."""
        self._store.collect(partition)
        for pair in ending:
            self._store.expire(Pair(*decode_pair(pair)), self._apply)

    def published(self, data: bytes) -> None:
        """Handle a publication to this node: the state of a room, or records. Does not wait."""
        if data[:1] == ROOM_STATE:
            self._apply(decode_room_state(memoryview(data)[1:]))
            return
        at, size, routes = 0, len(data), self._routes
        while at < size:
            _, route, length = _unpack_head(data, at)
            at += _HEAD_SIZE
            deliver = routes.get(route)
            if deliver is not None:
                deliver(data[at : at + length])
            at += length

    def resync(self, connection: RedisConnection, partition: int) -> None:
        """Evict this node's former connections from a partition in Redis, and restore the rooms of its members. Waits.

        Raises:
            RedisConnectionError: Redis does not reply.
        """
        self._store.collect(partition)
        self._store.send_unsent(partition, self._apply)
        indexed = self.redis.execute(
            connection, "HGETALL", self.redis.key(partition, f"connections:{self.redis.worker}")
        )
        rooms = [(pair, room) for pair, room in self._rooms.items() if self._store.partition(pair) == partition]
        present = {member.id.encode() for _, room in rooms for member in room.members.values()}
        for batch in batches([(id_, place) for id_, place in indexed.items() if id_ not in present]):
            for id_, place in batch:
                first, second, key = decode_place(place)
                self._store.evict(Pair(first, second), id_.decode(), key, self.redis.worker, self._apply)
            self.redis.execute(connection, "PING")
        for room_batch in batches(rooms):
            for pair, room in room_batch:
                # Its members may have left since, while this waited.
                if room.members:
                    self._store.restore(pair, room, self._apply)
            self.redis.execute(connection, "PING")

    def members_of(self, pair: Pair) -> list[Member]:
        """Return the connections to this node in the room of ``pair``."""
        room = self._rooms.get(pair)
        return [] if room is None else list(room.members.values())


def _entry(state: RoomState) -> CallEntry | None:
    return state.call if isinstance(state.call, CallEntry) else None
