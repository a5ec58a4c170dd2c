"""The rooms and the calls in Redis: the scripts that change them, and the reads of all calls."""

from __future__ import annotations

import time
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from gevent.event import AsyncResult

from ...protocol.messages import Pair
from ..events import Call, EventSink, Listing, Waiting, ignore
from ..registry import Unavailable
from .client import RedisClient
from .connection import OnReply, RedisConnection, RedisConnectionError
from .outbox import Outbox
from .room import Room, room_key
from .scripts import MICROSECONDS, CallEntry, RoomState, decode_call, decode_room_state, encode

MAX_UNSENT = 10_000
"""Departures that are kept while Redis is down. Later ones count as lost when it is back."""

OnState = Callable[[RoomState], object]


class Departure(NamedTuple):
    """A connection that left a room while Redis was down."""

    pair: Pair
    key: str
    reason: str
    left: float
    """The time, in seconds of the monotonic clock."""
    call: CallEntry | None
    """The call of the room, as this node knows it."""


class RoomStore:
    """The rooms in Redis. Methods do not wait, unless they say so.

    Attributes:
        on_event: receives the events of the changes that this node made.
    """

    def __init__(
        self, redis: RedisClient, node_timeout: float, known: Callable[[], list[CallEntry]], apply: OnState
    ) -> None:
        """Make the store.

        Args:
            redis: the connections to Redis.
            node_timeout: seconds from the death of a node to the eviction of its connections.
            known: returns the calls that this node knows, for times without Redis.
            apply: gets the state of a room whose call the app ended.
        """
        self.on_event: EventSink = ignore
        self._redis = redis
        self._node_timeout = node_timeout
        # Departures that Redis was not told, by the ids of the connections.
        self._unsent: dict[str, Departure] = {}
        self._reasons: dict[str, str] = {}
        self._known = known
        self._apply = apply
        self._outbox = Outbox(redis, lambda event: self.on_event(event))

    def partition(self, pair: Pair) -> int:
        """Return the partition of a room."""
        count = len(self._redis.up)
        return crc_hqx(room_key(pair).encode(), 0) % count if count > 1 else 0

    def connection_of(self, pair: Pair) -> RedisConnection | None:
        """Return the connection to the partition of a room, even during the resync, or None."""
        return self._redis.connection_of(self.partition(pair))

    def run(self, connection: RedisConnection, on_reply: OnReply, script: str, pair: Pair, *more: str | bytes) -> None:
        """Run a script on a room. If the reply is an error, the connection breaks before ``on_reply`` gets it."""
        self._redis.run(connection, on_reply, script, self.partition(pair), room_key(pair), pair, *more)

    def decode(self, reply: bytes) -> RoomState:
        """Return the state of a room in the reply to a script, after its events were reported."""
        state = decode_room_state(reply)
        self._outbox.take(self.partition(state.pair), state)
        return state

    def collect(self, partition: int) -> None:
        """Report the events whose replies were lost, and those of dead nodes."""
        self._outbox.collect(partition)

    def leave(self, pair: Pair, id_: str, key: str, reason: str, call: CallEntry | None) -> None:
        """Take a connection of this node out of its room.

        Args:
            pair: the room.
            id_: the id of the connection.
            key: its user.
            reason: why it left, ``left`` or ``lost``.
            call: the entry of the call of the room, as this node knows it.
        """
        sent = self._leave(pair, id_, key, reason, self._redis.worker, None)
        if not sent and len(self._unsent) < MAX_UNSENT:
            # The resync of the next connection to Redis sends it.
            self._unsent[id_] = Departure(pair, key, reason, time.monotonic(), call)

    def evict(self, pair: Pair, id_: str, key: str, worker: str, on_state: OnState) -> None:
        """Take a former connection of this node, or one of a dead node, out of its room.

        Args:
            pair: the room.
            id_: the id of the connection.
            key: its user.
            worker: its node.
            on_state: gets the new state of the room.
        """
        age = self._node_timeout if worker != self._redis.worker else 0.0
        # Another node may have restored the seat of a connection that left while Redis was down.
        self._leave(pair, id_, key, self._reasons.pop(id_, "lost"), worker, on_state, age)

    def send_unsent(self, partition: int, on_state: OnState) -> None:
        """Tell Redis of the departures from a partition that it was not told while it was down."""
        for id_, departure in list(self._unsent.items()):
            if self.partition(departure.pair) == partition:
                del self._unsent[id_]
                pair, key, reason, left, call = departure
                age = time.monotonic() - left
                while len(self._reasons) >= MAX_UNSENT:
                    del self._reasons[next(iter(self._reasons))]
                self._reasons[id_] = reason
                self._leave(pair, id_, key, reason, self._redis.worker, on_state, age, call)

    def _leave(
        self,
        pair: Pair,
        id_: str,
        key: str,
        reason: str,
        worker: str,
        on_state: OnState | None,
        age: float = 0.0,
        call: CallEntry | None = None,
    ) -> bool:
        """Take out a connection that left ``age`` seconds ago; return False without a connection to Redis.

        The ``call`` counts if Redis has lost it.
        """
        connection = self.connection_of(pair)
        if connection is not None:
            head = id_, key, reason, worker, str(int(age * MICROSECONDS))
            known = b"" if call is None else encode(call)
            self.run(connection, self._on_reply(on_state), "leave", pair, *head, known)
        return connection is not None

    def restore(self, pair: Pair, room: Room, on_state: OnState) -> None:
        """Restore the seats and the call of a room, as this node knows them."""
        connection = self.connection_of(pair)
        if connection is not None:
            # The seats of this node come first: the script restores the others only beside one of them.
            seats = sorted(room.seats, key=room.has, reverse=True)
            call = b"" if room.call is None else encode(room.call)
            self.run(
                connection, self._on_reply(on_state), "restore", pair, self._redis.lease, call, *map(encode, seats)
            )

    def expire(self, pair: Pair, on_state: OnState) -> None:
        """End the call of a room if its grace is over."""
        connection = self.connection_of(pair)
        if connection is not None:
            self.run(connection, self._on_reply(on_state), "expire", pair)

    def _on_reply(self, on_state: OnState | None) -> OnReply:
        def on_reply(reply: Any) -> None:
            if not isinstance(reply, Exception):
                state = self.decode(reply)
                if on_state is not None:
                    on_state(state)

        return on_reply

    # The directory.

    def calls(self) -> Listing[Call]:
        """Return the calls that go on, oldest first. Waits."""
        entries = self._listing()
        return Listing((entry.to_call() for entry in entries if not entry.waiting), partial=entries.partial)

    def waits(self) -> Listing[Waiting]:
        """Return the users who wait, oldest first. Waits."""
        entries = self._listing()
        return Listing((entry.to_waiting() for entry in entries if entry.waiting), partial=entries.partial)

    def _listing(self) -> Listing[CallEntry]:
        try:
            found, partial = list(self._entries()), False
        except Unavailable:
            found, partial = self._known(), True
        return Listing(sorted(found, key=attrgetter("started")), partial=partial)

    def _entries(self) -> Iterator[CallEntry]:
        for partition in range(len(self._redis.up)):
            entries = self._execute(partition, "HVALS", self._redis.key(partition, "calls"))
            yield from map(decode_call, entries)

    def answered(self, pair: Pair) -> None:
        """Note that the call of ``pair`` was answered. If Redis is down, it counts as not answered."""
        connection = self.connection_of(pair)
        if connection is not None:
            self.run(connection, self._on_reply(self._apply), "answer", pair)

    def end_call(self, call_id: str) -> Pair | None:
        """End the call with this id, and return its room, or None. Waits.

        Raises:
            Unavailable: Redis does not reply.
        """
        pair = next((Pair(entry.first, entry.second) for entry in self._entries() if entry.id == call_id), None)
        if pair is None:
            return None
        done: AsyncResult[Any] = AsyncResult()

        def on_reply(reply: Any) -> None:
            # At once, so that the states of the room stay in order.
            try:
                if isinstance(reply, bytes):
                    reply = self.decode(reply)
                    self._apply(reply)
            finally:
                done.set(reply)

        self.run(self._wait_for(self.partition(pair)), on_reply, "end", pair, call_id)
        reply = done.get()
        if not isinstance(reply, RoomState):
            raise Unavailable(f"Redis cannot be reached: {reply}")
        return pair if reply.events else None

    def bar(self, user: str, seconds: float) -> None:
        """Refuse the joins of ``user`` at all nodes. Waits.

        Raises:
            Unavailable: Redis does not reply.
        """
        for partition in range(len(self._redis.up)):
            key = self._redis.key(partition, f"bar:{user}")
            self._execute(partition, "SET", key, "1", "PX", str(max(1, int(seconds * 1000))))

    def _execute(self, partition: int, *command: str) -> Any:
        try:
            return self._redis.execute(self._wait_for(partition), *command)
        except RedisConnectionError as error:
            raise Unavailable(f"Redis cannot be reached: {error}") from None

    def _wait_for(self, partition: int) -> RedisConnection:
        try:
            return self._redis.wait_for(partition)
        except RedisConnectionError as error:
            raise Unavailable(f"Redis cannot be reached: {error}") from None
