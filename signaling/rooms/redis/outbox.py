"""The events of the changes that this node made. Redis keeps each until this node has it, so none is lost with a reply.

A node that dies leaves its events to the node that evicts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from ...protocol.messages import Pair
from ..events import Event
from .client import RedisClient
from .scripts import CallEvent, RoomState


class KeptEvents(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The events of one run of a script, as Redis keeps them."""

    first: str
    second: str
    events: tuple[CallEvent, ...]


_decode = msgspec.msgpack.Decoder(KeptEvents).decode


class Outbox:
    """The events of one node. No method waits."""

    def __init__(self, redis: RedisClient, tell: Callable[[Event], object]) -> None:
        """Make the outbox of the node that has ``redis``; ``tell`` gets each event once."""
        self._redis = redis
        self._tell = tell
        # Told events that Redis may still have: their partition and their receipt.
        self._told: set[tuple[int, str]] = set()

    def take(self, partition: int, state: RoomState) -> None:
        """Tell the events in the reply to a script."""
        # If this node stood still for long, another one may have told them. Otherwise, they come with the next
        # heartbeat.
        if state.events and time.monotonic() < self._redis.lease_ends[partition]:
            self._tell_all(state.pair, state.events)
            self._acknowledge(partition, state.receipt)

    def collect(self, partition: int) -> None:
        """Tell the events that Redis still has: replies were lost, or this node evicted another one."""
        connection = self._redis.connection_of(partition)
        if connection is not None:
            connection.send_checked(partial(self._on_kept, partition), "HGETALL", self._key(partition))

    def _on_kept(self, partition: int, reply: Any) -> None:
        if isinstance(reply, Exception):
            return
        kept = {receipt.decode(): _decode(packed) for receipt, packed in reply.items()}
        self._told = {(place, receipt) for place, receipt in self._told if place != partition or receipt in kept}
        # In the order of each call.
        for receipt, entry in sorted(kept.items(), key=lambda item: (item[1].events[0].id, item[1].events[0].sequence)):
            if (partition, receipt) not in self._told:
                self._tell_all(Pair(entry.first, entry.second), entry.events)
            self._acknowledge(partition, receipt)

    def _tell_all(self, pair: Pair, events: Sequence[CallEvent]) -> None:
        for event in events:
            self._tell(event.to_event(pair))

    def _acknowledge(self, partition: int, receipt: str) -> None:
        self._told.add((partition, receipt))
        connection = self._redis.connection_of(partition)
        if connection is not None:
            connection.send_checked(
                partial(self._on_removed, partition, receipt), "HDEL", self._key(partition), receipt
            )

    def _on_removed(self, partition: int, receipt: str, reply: Any) -> None:
        if not isinstance(reply, Exception):
            self._told.discard((partition, receipt))

    def _key(self, partition: int) -> str:
        return self._redis.key(partition, f"events:{self._redis.worker}")
