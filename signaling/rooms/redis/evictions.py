"""Evict the connections of dead nodes from their rooms, in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec

from ...protocol.messages import Pair
from .connection import RedisConnection
from .scripts import decode_place

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BATCH = 500
"""Connections that are evicted, or rooms that are restored, before other work has its turn."""


class _Description(msgspec.Struct):
    """The part of a node's description that the log shows. A node that nobody knows has an empty one."""

    host: str = ""
    pid: int = 0
    connections: int = 0


_decode = msgspec.json.Decoder(_Description).decode


class Evictions:
    """The dead nodes whose connections this node evicts at the moment. No method waits.

    Attributes:
        lost: how many dead nodes this node removed. Each dead node counts at one of the others.
    """

    def __init__(
        self, key: Callable[[int, str], str], own: str, digest: str, evict: Callable[[Pair, str, str, str], object]
    ) -> None:
        """Begin with none.

        Args:
            key: returns the name of a key of a partition.
            own: the name of this node.
            digest: the SHA-1 of the script ``evict``, which removes a node.
            evict: evicts a connection from its room. It gets the room's pair, the connection's id, its user's key and
                its node.
        """
        self.lost = 0
        self._key = key
        self._worker = own
        self._digest = digest
        self._evict = evict
        self._under_way: set[tuple[int, bytes]] = set()

    def begin(self, connection: RedisConnection, partition: int, worker: bytes) -> None:
        """Evict the connections of a node in a partition, unless that is under way already."""
        if (partition, worker) not in self._under_way:
            self._under_way.add((partition, worker))
            self._evict_batch(connection, partition, worker)

    def forget(self, partitions: Iterable[int]) -> None:
        """Forget the evictions in ``partitions``, which have lost their connection to Redis."""
        lost = set(partitions)
        self._under_way = {entry for entry in self._under_way if entry[0] not in lost}

    def _evict_batch(self, connection: RedisConnection, partition: int, worker: bytes) -> None:
        index = self._key(partition, f"connections:{worker.decode()}")

        def on_reply(reply: Any) -> None:
            if isinstance(reply, Exception):
                self._under_way.discard((partition, worker))
                return
            for id_, place in reply:
                first, second, user = decode_place(place)
                self._evict(Pair(first, second), id_.decode(), user, worker.decode())
            if len(reply) == MAX_BATCH:
                self._evict_batch(connection, partition, worker)
            else:
                events = (self._key(partition, f"events:{node}") for node in (worker.decode(), self._worker))
                keys = self._key(partition, "workers"), index, *events
                on_removed = partial(self._on_removed, partition, worker)
                connection.send_checked(on_removed, "EVALSHA", self._digest, "4", *keys, worker)
                self._under_way.discard((partition, worker))

        # A random batch: several nodes may evict the same one, and each begins with other connections.
        connection.send_checked(on_reply, "HRANDFIELD", index, str(MAX_BATCH), "WITHVALUES")

    def _on_removed(self, partition: int, worker: bytes, description: Any) -> None:
        # A node is in each partition. One of them counts.
        if partition or not isinstance(description, bytes):
            return
        self.lost += 1
        try:
            node = _decode(description)
        except (msgspec.MsgspecError, RecursionError):
            node = _Description()
        name = f"{node.host}:{node.pid}" if node.host else worker.decode()
        log.warning("Node %s lost: its lease ended; it had %d connections", name, node.connections)


def batches(items: list[T]) -> Iterator[list[T]]:
    """Yield ``items`` in lists of at most :data:`MAX_BATCH`."""
    for at in range(0, len(items), MAX_BATCH):
        yield items[at : at + MAX_BATCH]
