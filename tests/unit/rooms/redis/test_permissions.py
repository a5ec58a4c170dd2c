"""The permissions that the document gives the user of Redis are enough for all that the server does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from signaling.config.settings import Settings
from signaling.rooms.events import EventType
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis, redis_server
from tests.unit.people import Person, Workers, until

DOCUMENT = Path(__file__).parents[4] / "docs" / "scaling.md"


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


def test_the_documented_user_may_do_all_that_is_done(own_redis: Redis):
    [line] = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("user signaling ")]
    _, user, *rules = line.split()
    assert own_redis.ask("ACL", "SETUSER", user, *rules) == b"OK"
    password = next(rule[1:] for rule in rules if rule.startswith(">"))
    url = own_redis.url.replace("redis://", f"redis://{user}:{password}@")
    given = Settings(redis_url=url, call_grace=0.1, node_timeout=3.0)
    registries = [RedisRegistry(given) for _ in range(2)]
    events = []
    for registry in registries:
        registry.directory.on_event = lambda event: events.append(event.type)
    workers = Workers(*registries)
    alice, bob = Person(workers).joins("alice", "bob"), Person(workers).joins("bob", "alice")
    until(lambda: any(heard["type"] == "ready" for heard in alice.inbox))
    alice.says(type="message", data=1)
    until(lambda: any(heard.get("data") == 1 for heard in bob.inbox))
    directory = registries[0].directory
    directory.bar("eve", 60)
    assert Person(workers).joins("eve", "alice").hears()[0]["code"] == "unauthorized"
    alice.drops(1006)
    bob.drops(1006)
    until(lambda: EventType.CALL_ENDED in events)
    Person(workers).joins("carol", "dan"), Person(workers).joins("dan", "carol")
    [call] = directory.calls()
    assert directory.end_call(call.id) is not None
    # A node that dies, and is evicted with its events.
    dead = RedisRegistry(given)
    Person(Workers(dead)).joins("erin", "frank")
    until(lambda: dead.redis.worker in registries[0].redis.workers)
    for greenlet in dead.redis._greenlets:
        greenlet.kill()
    until(lambda: dead.redis.worker not in registries[0].redis.workers)
    workers.settle()
    workers.stop()
    assert own_redis.ask("ACL", "LOG") == [], "Redis refused nothing"
