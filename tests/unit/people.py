"""Users without a socket: a session whose client is a list."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from signaling.config.settings import Settings
from signaling.rooms.context import SessionContext
from signaling.rooms.redis.registry import RedisRegistry
from signaling.rooms.registry import Registry
from signaling.rooms.session import Session
from tests.waiting import TIMEOUT

DEFAULTS = Settings()


class Workers:
    """The workers that persons come to, in turn, by their registries."""

    def __init__(self, *registries: Registry) -> None:
        self._registries = registries
        self._turn = itertools.cycle(registries)
        self._shared = [registry.redis for registry in registries if isinstance(registry, RedisRegistry)]

    @property
    def room_count(self) -> int:
        """Return the number of rooms, which is the sum over all workers."""
        self.settle()
        return sum(registry.room_count for registry in self._registries)

    @property
    def names(self) -> list[str]:
        """Return what those that share a Redis are called there."""
        return [redis.worker for redis in self._shared]

    def next(self) -> Registry:
        return next(self._turn)

    def stop(self) -> None:
        for redis in self._shared:
            redis.stop()

    def settle(self) -> None:
        """Wait until everybody heard of all that was done."""
        # What one says by itself, having heard of something, is heard in the second round.
        for redis in 2 * self._shared:
            for number in range(len(redis.up)):
                redis.start()
                until(lambda redis=redis, number=number: redis.up[number])  # type: ignore[misc]
                redis.execute(redis.wait_for(number), "PING")


class Person:
    """A user's connection as the session sees it: what was sent to it, and with what it was closed."""

    def __init__(self, registry: Registry | Workers, settings: Settings = DEFAULTS) -> None:
        self.inbox: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._workers = registry if isinstance(registry, Workers) else Workers(registry)
        self.session = Session(SessionContext.of(settings, self._workers.next()), self)

    # What a session sends to.

    @property
    def is_open(self) -> bool:
        return self.close_code is None

    def send_text(self, *payloads: bytes) -> None:
        self.inbox += map(json.loads, payloads)

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = int(code)

    # What a client does.

    def says(self, message: Any = None, **fields: Any) -> Person:
        text = message if isinstance(message, str | bytes) else json.dumps(fields if message is None else message)
        if not self.session.forward(text):
            self.session.receive(text)
        return self

    def joins(self, user: Any, remote: Any, **asked: Any) -> Person:
        return self.says(type="join", userId=user, remoteId=remote, **asked)

    def drops(self, code: int = 1006) -> Person:
        self.session.on_disconnect(code)
        return self

    def hears(self) -> list[dict[str, Any]]:
        """Take what was sent so far."""
        self._workers.settle()
        heard, self.inbox = self.inbox, []
        return heard

    def hears_types(self) -> list[str]:
        return [reply["type"] for reply in self.hears()]


def until(so: Callable[[], object]) -> None:
    """Wait for what no event tells of, while the greenlets go on."""
    deadline = time.monotonic() + TIMEOUT
    while not so():
        assert time.monotonic() < deadline
        gevent.sleep(0.01)


class Host:
    """One worker, reached by whoever is told to come to it."""

    def __init__(self, url: str, **settings: float) -> None:
        # A beat comes seldom, unless a test is about it.
        shared = {"node_timeout": 3_600.0, "redis_timeout": 1.0} | settings
        self.registry = RedisRegistry(Settings(redis_url=url, **shared))  # type: ignore[arg-type]
        self.workers = Workers(self.registry)
        self.registry.redis.start()
        until(lambda: self.up)

    @property
    def up(self) -> bool:
        return self.registry.redis.all_up

    def joins(self, user: str, remote: str) -> Person:
        return Person(self.workers).joins(user, remote)

    def breaks(self) -> None:
        """Lose the connection to Redis."""
        [link] = self.registry.redis.up
        assert link is not None
        link.abort("the test breaks it")

    def deaf(self) -> None:
        """Read nothing any more, as one whose process stands still."""
        [link] = self.registry.redis.up
        assert link is not None
        link._watcher.stop()

    def hears_again(self) -> None:
        [link] = self.registry.redis.up
        assert link is not None
        link._watcher.start(link._readable)

    def stays_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Do not connect again, until told to."""
        monkeypatch.setattr(self.registry.redis, "_connect", lambda: gevent.sleep(0.01))
