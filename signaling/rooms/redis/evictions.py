"""Takes the connections of workers that are dead out of their rooms, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...protocol.messages import Pair
from .connection import RedisConnection, checked
from .scripts import decode_place

MAX_EVICTIONS_AT_ONCE = 500
"""Connections that are taken out, or rooms that are put back, before others have their turn."""


class Evictions:
    """Those that one worker has under way. Nothing of it waits."""

    def __init__(
        self, key: Callable[[int, str], str], digest: str, evict: Callable[[Pair, str, str, str], object]
    ) -> None:
        """Begin with none.

        Args:
            key: returns the name of a key of a partition.
            digest: of the script that forgets a worker.
            evict: takes a connection, by its room, its id, its user and its worker, out of the room.
        """
        self._key = key
        self._digest = digest
        self._send_leave = evict
        self._under_way: set[tuple[int, bytes]] = set()

    def begin(self, connection: RedisConnection, partition: int, worker: bytes) -> None:
        """Take out the connections of ``worker`` in a partition; nothing happens while that is under way."""
        if (partition, worker) not in self._under_way:
            self._under_way.add((partition, worker))
            self._go_on(connection, partition, worker)

    def forget(self, partitions: Iterable[int]) -> None:
        """Forget what is under way in partitions whose link is broken."""
        gone = set(partitions)
        self._under_way = {entry for entry in self._under_way if entry[0] not in gone}

    def _go_on(self, connection: RedisConnection, partition: int, worker: bytes) -> None:
        index = self._key(partition, f"connections:{worker.decode()}")

        def then(reply: Any) -> None:
            if isinstance(reply, Exception):
                self._under_way.discard((partition, worker))
                return
            for id_, place in reply:
                first, second, user = decode_place(place)
                self._send_leave(Pair(first, second), id_.decode(), user, worker.decode())
            if len(reply) == MAX_EVICTIONS_AT_ONCE:
                self._go_on(connection, partition, worker)
            else:
                connection.send(None, "EVALSHA", self._digest, "2", self._key(partition, "workers"), index, worker)
                self._under_way.discard((partition, worker))

        # At random: each of the workers that find it begins with others.
        connection.send(
            partial(checked, connection, then), "HRANDFIELD", index, str(MAX_EVICTIONS_AT_ONCE), "WITHVALUES"
        )
