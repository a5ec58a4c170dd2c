"""Takes the connections of workers that are dead out of their rooms, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...protocol.messages import Pair
from .link import Link, checked
from .scripts import decode_place

MOST_AT_ONCE = 500
"""Connections that are taken out, or rooms that are put back, before others have their turn."""


class Evictions:
    """Those that one worker has under way. Nothing of it waits."""

    def __init__(
        self, key: Callable[[int, str], str], digest: str, take_out: Callable[[Pair, str, str, str], object]
    ) -> None:
        """Begin with none.

        Args:
            key: returns the name of a key of a partition.
            digest: of the script that forgets a worker.
            take_out: takes a connection, by its room, its id, its user and its worker, out of the room.
        """
        self._key = key
        self._digest = digest
        self._take_out = take_out
        self._under_way: set[tuple[int, bytes]] = set()

    def begin(self, link: Link, number: int, worker: bytes) -> None:
        """Take out the connections of ``worker`` in a partition; nothing happens while that is under way."""
        if (number, worker) not in self._under_way:
            self._under_way.add((number, worker))
            self._go_on(link, number, worker)

    def forget(self, numbers: Iterable[int]) -> None:
        """Forget what is under way in partitions whose link is broken."""
        gone = set(numbers)
        self._under_way = {entry for entry in self._under_way if entry[0] not in gone}

    def _go_on(self, link: Link, number: int, worker: bytes) -> None:
        index = self._key(number, f"connections:{worker.decode()}")

        def then(reply: Any) -> None:
            if isinstance(reply, Exception):
                self._under_way.discard((number, worker))
                return
            for id_, place in reply:
                first, second, user = decode_place(place)
                self._take_out(Pair(first, second), id_.decode(), user, worker.decode())
            if len(reply) == MOST_AT_ONCE:
                self._go_on(link, number, worker)
            else:
                link.send(None, "EVALSHA", self._digest, "2", self._key(number, "workers"), index, worker)
                self._under_way.discard((number, worker))

        # At random: each of the workers that find it begins with others.
        link.send(partial(checked, link, then), "HRANDFIELD", index, str(MOST_AT_ONCE), "WITHVALUES")
