"""The records that nodes publish to each other: messages between users, and surveys."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ..registry import Unavailable
from .client import RedisClient
from .connection import RedisConnectionError

RECORD_HEAD = struct.Struct(">c32sI")
"""The kind of a record, its route, and the bytes that follow. One publication has several records in a row."""

MESSAGE = b"m"
"""The kind of a record."""

ROOM_STATE = b"s"
"""The first byte of a publication that has the state of a room instead of records."""


class Bus:
    """The records from and to one node. Methods do not wait, unless they say so.

    Attributes:
        routes: the receiver of each route. Surveys share the table with messages, so that a message costs no more.
    """

    def __init__(self, redis: RedisClient) -> None:
        self.routes: dict[bytes, Callable[..., object]] = {}
        self._redis = redis

    @property
    def worker(self) -> str:
        """Return the name of this node in Redis."""
        return self._redis.worker

    @property
    def up(self) -> bool:
        """Tell if all partitions have a connection."""
        return self._redis.all_up

    def others(self) -> dict[str, bytes]:
        """Return the description of each other node that is alive, by its name. While Redis is down, it is empty."""
        if self._redis.up[0] is None:
            return {}
        return {name: description for name, description in self._redis.workers.items() if name != self.worker}

    def refresh(self) -> None:
        """Learn now which other nodes are alive. Waits.

        Raises:
            Unavailable: Redis does not reply.
        """
        try:
            self._redis.refresh_workers()
        except RedisConnectionError as error:
            raise Unavailable(f"Redis cannot be reached: {error}") from None

    def publish(self, worker: str, route: bytes, payload: bytes) -> bool:
        """Send ``payload`` to a route of the node ``worker``.

        If Redis is down or slow, return False and send nothing.
        """
        connection = self._redis.up[0]
        if connection is None or connection.congested:
            return False
        connection.publish(self._redis.channel(0, worker), RECORD_HEAD.pack(MESSAGE, route, len(payload)) + payload)
        return True
