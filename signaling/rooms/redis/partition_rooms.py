"""The interface of the rooms, as the connections to Redis need it."""

from __future__ import annotations

from typing import Protocol

from ...protocol.messages import Pair
from .connection import RedisConnection


class PartitionRooms(Protocol):
    """The rooms as this node knows them."""

    def published(self, data: bytes) -> None:
        """Handle a publication to this node. Does not wait."""

    def resync(self, connection: RedisConnection, partition: int) -> None:
        """Make a partition in Redis agree with the rooms of this node. Waits.

        Raises:
            RedisConnectionError: Redis does not reply.
        """

    def evict(self, pair: Pair, id_: str, key: str, worker: str) -> None:
        """Evict a lost connection of the node ``worker`` from its room. Does not wait."""

    def expire(self, partition: int, ending: list[bytes]) -> None:
        """End the calls of these pairs, which are packed, if their grace is over. Does not wait."""
