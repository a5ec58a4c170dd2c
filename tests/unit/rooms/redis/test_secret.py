"""The secret of the pseudonyms: all nodes have the same, without a setting."""

from __future__ import annotations

import pytest

from signaling.config.settings import Settings
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis
from tests.unit.people import Workers


@pytest.fixture
def make(redis: Redis):
    redis.ask("FLUSHALL")
    made: list[RedisRegistry] = []

    def registry(secret: bytes, **settings: object) -> RedisRegistry:
        made.append(RedisRegistry(Settings(redis_url=redis.url, **({"privacy": True} | settings))))  # type: ignore[arg-type]
        if made[-1].redis.secret:
            made[-1].redis.secret = secret
        Workers(made[-1]).settle()
        return made[-1]

    yield registry
    for one in made:
        one.redis.stop()


def test_all_nodes_have_the_secret_of_the_first(make, redis: Redis):
    one, other = make(b"one"), make(b"other")
    assert (one.redis.secret, other.redis.secret) == (b"one", b"one")
    # Redis comes back empty: the names of the day stay.
    redis.ask("FLUSHALL")
    for registry in (other, one):
        registry.redis.up[0].abort("the test ends it")
        Workers(registry).settle()
    assert (one.redis.secret, other.redis.secret) == (b"one", b"one")
    assert make(b"third").redis.secret == b"one"


@pytest.mark.parametrize("settings", [{"privacy": False}, {"privacy_salt": "s" * 32}])
def test_a_node_that_needs_no_secret_gives_none(make, redis: Redis, settings: dict[str, object]):
    assert make(b"one", **settings).redis.secret == b""
    assert not [name for name in redis.names() if "pseudonyms" in name]
