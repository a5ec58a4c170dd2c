"""The channels on which workers hear of each other, beside how a room is: messages, and what they ask and answer."""

from __future__ import annotations

import struct
from collections.abc import Callable

from .client import RedisClient

head = struct.Struct(">c32sI")
"""Before each of several in a row: a kind, a route such as that from one connection to another, the length."""

MESSAGE = b"m"
ROOM_STATE = b"s"
"""How a room is: alone, and without a head."""


class Bus:
    """Those of one worker. Nothing of it waits.

    Attributes:
        routes: who gets what is sent to each. All are in one table, so that a message pays for no other kind.
    """

    def __init__(self, redis: RedisClient) -> None:
        self.routes: dict[bytes, Callable[..., object]] = {}
        self._redis = redis

    @property
    def worker(self) -> str:
        """Return the name of this worker among the others."""
        return self._redis.worker

    @property
    def up(self) -> bool:
        """Return whether all of Redis can be reached."""
        return self._redis.all_up

    def others(self) -> dict[str, bytes]:
        """Return what each other worker that is alive told of itself, by its name; nothing while Redis is down."""
        if self._redis.up[0] is None:
            return {}
        return {worker: words for worker, words in self._redis.workers.items() if worker != self.worker}

    def publish(self, worker: str, route: bytes, words: bytes) -> bool:
        """Send ``words`` to a route in another worker; False, and nothing sent, while Redis is down or slow."""
        connection = self._redis.up[0]
        if connection is None or connection.congested:
            return False
        connection.publish(self._redis.channel(0, worker), head.pack(MESSAGE, route, len(words)) + words)
        return True
