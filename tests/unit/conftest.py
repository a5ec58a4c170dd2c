from __future__ import annotations

from collections.abc import Callable, Iterator

import hypothesis
import pytest

from signaling.config.settings import Settings
from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis, redis_server
from tests.unit.people import Workers

# `make fuzz` takes the thorough one; the quick one is for who waits for the result.
hypothesis.settings.register_profile("thorough", max_examples=1_000, deadline=None)
hypothesis.settings.register_profile("quick", max_examples=100, deadline=None)
hypothesis.settings.load_profile("quick")


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis for all the tests that clean up behind themselves."""
    with redis_server() as running:
        yield running


def in_memory(_: Redis) -> Workers:
    return Workers(MemoryRegistry())


def one_worker(redis: Redis) -> Workers:
    return Workers(RedisRegistry(Settings(redis_url=redis.url)))


def two_workers(redis: Redis) -> Workers:
    """Whoever comes next comes to the other one."""
    return Workers(*(RedisRegistry(Settings(redis_url=redis.url)) for _ in range(2)))


KINDS = (in_memory, one_worker, two_workers)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def registry(request: pytest.FixtureRequest, redis: Redis) -> Iterator[Workers]:
    """The rooms of one test: in the memory of a worker, or in Redis."""
    make: Callable[[Redis], Workers] = request.param
    redis.ask("FLUSHALL")
    workers = make(redis)
    yield workers
    workers.stop()
