"""The rooms of many workers, on one host or several. They are in Redis; here is what one worker must know of them.

Redis changes a room in one step and tells the workers that have somebody in it how it is now. Each compares that with
what it knew and tells its own clients what is new to them: so nothing is told twice, and whoever missed something only
needs to hear how it is. Peers in one worker reach each other as ever; a relay to another one goes to its channel.

Answers and news come over one link, in the order in which it happened in Redis, and are dealt with in the event loop,
in one go: this is what takes the place of a lock.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gevent.event import AsyncResult

from ...config.settings import Settings
from ...protocol import errors
from ...protocol.messages import Pair, User
from ..registry import JoinResult, Member, Peer
from .bus import ROOM_STATE, Bus, head
from .client import RedisClient
from .connection import RedisConnection, RedisConnectionError, Then
from .evictions import MAX_EVICTIONS_AT_ONCE
from .room import RemotePeer, Room
from .scripts import RoomState, Seat, decode_place, decode_room_state, encode_seat

T = TypeVar("T")

_unpack_head = head.unpack_from
_head_size = head.size


class RedisRegistry:
    """The rooms as one worker sees them.

    Attributes:
        redis: those to Redis.
        bus: those to the other workers.
    """

    def __init__(self, settings: Settings, describe: Callable[[], bytes] = lambda: b"{}") -> None:
        """Begin at the first need; ``describe`` is what the worker tells the others of itself, as JSON."""
        self.redis = RedisClient(settings, self, describe)
        self.bus = Bus(self.redis)
        self._rooms: dict[Pair, Room] = {}
        # A message from somebody who is not the peer any more finds nobody.
        self._routes = self.bus.routes

    @property
    def room_count(self) -> int:
        """Return the number of rooms whose latest member is here; the sum over all nodes is the number of rooms."""
        worker = self.redis.worker
        return sum(room.seats[-1].worker == worker for room in self._rooms.values())

    # What sessions call.

    def join(self, pair: Pair, member: Member, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member`` into the room of ``pair``: one round trip to Redis.

        A member that joins again may lose its seat to a newer connection meanwhile. Then it is dismissed, and
        ``on_joined`` is not called.

        Raises:
            MessageError: ``unavailable``.
        """
        done: AsyncResult[None] = AsyncResult()
        held = self._stamp(member)

        def then(reply: Any) -> None:
            try:
                if isinstance(reply, Exception):
                    raise errors.no_join()
                self._on_join_reply(pair, member, decode_room_state(reply), on_joined, again=bool(held))
            except Exception as error:
                done.set_exception(error)
            else:
                done.set(None)

        try:
            connection = self.redis.wait_for(self._partition(pair))
        except RedisConnectionError:
            raise errors.no_join() from None
        self._run(connection, then, "join", pair, member.id, member.user.json, member.user.key, held)
        done.get()

    def _stamp(self, member: Member) -> str:
        """Return the stamp of the seat that ``member`` has, empty if it is in no room."""
        if member.pair is None:
            return ""
        return next((str(seat.stamp) for seat in self._rooms[member.pair].seats if seat.id == member.id), "")

    def leave(self, member: Member, reason: str) -> Peer | None:
        """Take ``member`` out of its room; Redis is told behind what it was told before."""
        pair, peer = member.pair, member.peer
        if pair is None:
            return None
        room = self._rooms[pair]
        self._unseat(room, member)
        room.seats = tuple(seat for seat in room.seats if seat.id != member.id)
        if not room.here:
            del self._rooms[pair]
        self._send_leave(pair, member.id, member.user.key, reason, self.redis.worker, self._on_left)
        for other in room.here.values():
            self._part(other)
            other.peer_left(member, reason)
        return peer

    def is_alone(self, pair: Pair, user: User) -> bool:
        """Tell if ``user`` is in the room of ``pair``, and nobody else."""
        room = self._rooms.get(pair)
        member = room.here.get(user.key) if room is not None else None
        return member is not None and member.peer is None

    # What changes a room here. Nothing of it waits.

    def _on_join_reply(
        self, pair: Pair, member: Member, state: RoomState, on_joined: Callable[[JoinResult], None], *, again: bool
    ) -> None:
        if not state.seats or state.seats[-1].id != member.id:
            # A newer connection was faster, and Redis did not let it in.
            self._apply(state)
        elif again and member.pair is None:
            # A newer connection was faster, and is gone by now.
            self.evict(pair, member.id, member.user.key, self.redis.worker)
        else:
            self._seat(pair, member, state, on_joined)

    def _seat(self, pair: Pair, member: Member, state: RoomState, on_joined: Callable[[JoinResult], None]) -> None:
        """Take in that ``member`` entered, and how the room is since."""
        room = self._rooms.setdefault(pair, Room())
        before = room.here.get(member.user.key)
        if before is not None and before is not member:
            self._unseat(room, before)
            before.replaced()
        *others, own = state.seats
        # Whoever is here stays: where this worker was taken for dead, it is being put back.
        others = [seat for seat in room.seats if room.has(seat) and seat.key != own.key] or others
        for seat in others:
            if seat.worker == self.redis.worker and not room.has(seat):
                # It left, or never learned that it had come.
                self.evict(pair, seat.id, seat.key, seat.worker)
        others = [seat for seat in others if seat.worker != self.redis.worker or room.has(seat)]
        seats = (*others, own)
        room.here[member.user.key], room.seats, member.pair = member, seats, pair
        gone = member.peer
        self._part(member)
        if gone is not None and not others:
            # It left while this worker was taken for dead, and was told nothing.
            member.peer_left(gone, "lost")
        here = None
        for other in others:
            here = room.here.get(other.key)
            if here is not None:
                self._meet(room, here, other, own)
            self._meet(room, member, own, other)
        replaced = state.lost[0] if isinstance(state.lost, tuple) else None
        on_joined(JoinResult(replaced, member.peer, seats))
        if here is not None:
            here.peer_joined(seats)

    def _apply(self, state: RoomState) -> None:
        """Take in how a room is now, and tell those who are here what that changes for them."""
        pair, room = state.pair, self._rooms.get(state.pair)
        for seat in state.seats:
            if seat.worker == self.redis.worker and not (room and room.has(seat)):
                # It left, or never learned that it had come.
                self.evict(pair, seat.id, seat.key, seat.worker)
        if room is None:
            return
        by_key = {seat.key: seat for seat in state.seats}
        if not room.here.keys() <= by_key.keys():
            # Somebody was taken for dead.
            self._restore(pair, room)
            return
        room.seats = state.seats
        for key, member in list(room.here.items()):
            if by_key[key].id != member.id:
                self._unseat(room, member)
                member.replaced(is_remote=True)
        if not room.here:
            del self._rooms[pair]
        for key, member in room.here.items():
            other = next((seat for seat in state.seats if seat.key != key), None)
            before = member.peer
            if other is None:
                self._part(member)
                if before is not None:
                    member.peer_left(before, state.reason(before.id) or "lost")
            elif other.worker != self.redis.worker:
                meeting = self._meet(room, member, by_key[key], other)
                met = before.meeting if isinstance(before, RemotePeer) and before.id == other.id else None
                # Where the other worker is away, both start over once it is back.
                if met is None or (met != meeting and state.announced):
                    member.peer_joined(state.seats)

    def _meet(self, room: Room, member: Member, own: Seat, seat: Seat) -> object:
        """Make who has ``seat`` the peer of ``member``, who has ``own``; return what differs each time they meet."""
        self._part(member)
        assert member.pair is not None
        here = room.here.get(seat.key)
        if here is not None:
            member.peer = here
            return None
        partition = self._partition(member.pair)
        connection, channel = self.redis.any_of(partition), self.redis.channel(partition, seat.worker)
        peer = member.peer = RemotePeer(member, own, seat, connection, channel)
        self._routes[peer.back] = member.deliver
        return peer.meeting

    def _part(self, member: Member) -> None:
        if isinstance(member.peer, RemotePeer):
            del self._routes[member.peer.back]
        member.peer = None

    def _unseat(self, room: Room, member: Member) -> None:
        del room.here[member.user.key]
        self._part(member)
        member.pair = None

    # What Redis is told of a room, and says.

    def evict(self, pair: Pair, id_: str, key: str, worker: str) -> None:
        """Take a connection that is lost out of its room."""
        self._send_leave(pair, id_, key, "lost", worker, self._on_room_state)

    def _send_leave(self, pair: Pair, id_: str, key: str, reason: str, worker: str, then: Then) -> None:
        connection = self.redis.any_of(self._partition(pair))
        # Where there is none, the partition is put in order when there is one.
        if connection is not None:
            self._run(connection, then, "leave", pair, id_, key, reason, worker)

    def _restore(self, pair: Pair, room: Room) -> None:
        connection = self.redis.any_of(self._partition(pair))
        if connection is not None:
            # Its own first: who is elsewhere is put back for those who are here.
            seats = sorted(room.seats, key=room.has, reverse=True)
            self._run(connection, self._on_room_state, "restore", pair, self.redis.lease, *map(encode_seat, seats))

    def _run(self, connection: RedisConnection, then: Then, script: str, pair: Pair, *more: str | bytes) -> None:
        self.redis.run(connection, then, script, self._partition(pair), _room_key(pair), pair, *more)

    def _on_room_state(self, reply: Any) -> None:
        if not isinstance(reply, Exception):
            self._apply(decode_room_state(reply))

    def _on_left(self, _: Any) -> None:
        """Who left, and whom it left, know already."""

    def published(self, data: bytes) -> None:
        """Take in what was published to this worker: how a room is, or messages."""
        if data[:1] == ROOM_STATE:
            self._apply(decode_room_state(memoryview(data)[1:]))
            return
        at, size, routes = 0, len(data), self._routes
        while at < size:
            _, route, length = _unpack_head(data, at)
            at += _head_size
            deliver = routes.get(route)
            if deliver is not None:
                deliver(data[at : at + length])
            at += length

    def resync(self, connection: RedisConnection, partition: int) -> None:
        """Take out of Redis who is not here any more, and put back who is not there. Waits.

        Raises:
            RedisConnectionError: Redis does not answer.
        """
        worker = self.redis.worker
        there = self.redis.execute(connection, "HGETALL", self.redis.key(partition, f"connections:{worker}"))
        mine = [(pair, room) for pair, room in self._rooms.items() if self._partition(pair) == partition]
        here = {member.id.encode() for _, room in mine for member in room.here.values()}
        for some in _batches([(id_, place) for id_, place in there.items() if id_ not in here]):
            for id_, place in some:
                first, second, key = decode_place(place)
                self.evict(Pair(first, second), id_.decode(), key, worker)
            self.redis.execute(connection, "PING")
        for several in _batches(mine):
            for pair, room in several:
                if room.here:
                    self._restore(pair, room)
            self.redis.execute(connection, "PING")

    def _partition(self, pair: Pair) -> int:
        count = len(self.redis.up)
        return crc_hqx(_room_key(pair).encode(), 0) % count if count > 1 else 0


def _room_key(pair: Pair) -> str:
    # The length keeps (a_b, c) and (a, b_c) apart.
    return f"{len(pair.first)}:{pair.first}_{pair.second}"


def _batches(items: list[T]) -> Iterator[list[T]]:
    for at in range(0, len(items), MAX_EVICTIONS_AT_ONCE):
        yield items[at : at + MAX_EVICTIONS_AT_ONCE]
