"""Two hosts, one worker each, so that a test knows who is where; and the Redis that they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.driver import Server
from tests.redis_server import Redis, redis_server

# Short, so that nobody waits for long; long enough for a machine that does three things at once.
NODE_TIMEOUT = 8.0
REDIS_TIMEOUT = 2.0


def host(url: str, **settings: Any) -> Server:
    """Return a server with one worker that shares its rooms."""
    shared: dict[str, Any] = {
        "SIGNALING_REDIS_URL": url,
        "SIGNALING_NODE_TIMEOUT": NODE_TIMEOUT,
        "SIGNALING_REDIS_TIMEOUT": REDIS_TIMEOUT,
        "WEB_CONCURRENCY": 1,
    }
    return Server(**(shared | settings))


@pytest.fixture(scope="package")
def redis() -> Iterator[Redis]:
    """A Redis that is as it was after each test."""
    with redis_server() as running:
        yield running


@pytest.fixture(scope="package")
def hosts(redis: Redis) -> Iterator[tuple[Server, Server]]:
    """Two hosts for all the tests that leave them as they found them."""
    with host(redis.url) as one, host(redis.url) as other:
        for server in (one, other):
            connected(server)
        yield one, other


@pytest.fixture
def one(hosts: tuple[Server, Server]) -> Server:
    """The first host."""
    return hosts[0]


@pytest.fixture
def other(hosts: tuple[Server, Server]) -> Server:
    """The second host."""
    return hosts[1]


def connected(server: Server, since: int = 0) -> None:
    """Wait until the log says, behind that line, that the worker has its Redis."""
    server.wait_for_log("Connected to Redis", since)
