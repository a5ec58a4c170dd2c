"""No event is lost with a reply that a node did not get, and none is told twice."""

from __future__ import annotations

import pytest

from signaling.rooms.events import Event, EventType
from tests.redis_server import Redis
from tests.unit.people import Host, Person, until


class Told:
    """A worker, and the events that it told its app."""

    def __init__(self, url: str, **settings: float) -> None:
        self.host = Host(url, call_grace=0.0, **settings)
        self.events: list[Event] = []
        self.host.registry.directory.on_event = self.events.append

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def stop(self) -> None:
        self.host.workers.stop()


@pytest.fixture
def told(redis: Redis):
    redis.ask("FLUSHALL")
    made = Told(redis.url)
    yield made
    made.stop()


def kept(redis: Redis) -> list[str]:
    return [name for name in redis.names() if ":events:" in name]


def meet(host: Host) -> tuple[Person, Person]:
    return host.joins("alice", "bob"), host.joins("bob", "alice")


CALL = ["user.waiting", "user.waiting_ended", "call.started", "call.ended"]


def test_what_a_worker_has_told_redis_keeps_no_longer(told: Told, redis: Redis):
    alice, _ = meet(told.host)
    alice.drops()
    until(lambda: told.types == CALL)
    told.host.workers.settle()
    assert kept(redis) == []


def test_an_event_whose_reply_was_lost_is_told_after_the_reconnect(told: Told, redis: Redis):
    alice, _ = meet(told.host)
    told.host.workers.settle()
    told.host.deaf()
    alice.drops()
    until(lambda: kept(redis))
    told.host.breaks()
    until(lambda: told.types == CALL)
    until(lambda: told.host.up)
    told.host.workers.settle()
    assert (told.types, kept(redis)) == (CALL, [])


def test_an_event_that_redis_could_not_remove_is_told_once(told: Told, redis: Redis):
    meet(told.host)
    told.host.workers.settle()
    outbox = told.host.registry._store._outbox
    acknowledge, outbox._acknowledge = outbox._acknowledge, lambda *place: outbox._told.add(place)  # type: ignore[method-assign]
    [call] = told.host.registry.directory.calls()
    told.host.registry.directory.end_call(call.id)
    outbox._acknowledge = acknowledge  # type: ignore[method-assign]
    assert kept(redis)
    told.host.breaks()
    until(lambda: not kept(redis))
    assert told.types.count(EventType.CALL_ENDED) == 1


def test_the_events_of_a_dead_worker_are_told_by_the_one_that_evicts_it(redis: Redis):
    redis.ask("FLUSHALL")
    dead, heir = Told(redis.url, node_timeout=1.0), Told(redis.url, node_timeout=1.0)
    meet(dead.host)
    dead.host.workers.settle()
    [call] = dead.host.registry.directory.calls()
    dead.host.deaf()
    # Both leave, and the worker dies before it hears of the end.
    for pair in list(dead.host.registry._rooms):
        for member in dead.host.registry.members_of(pair):
            dead.host.registry.leave(member, "left")
    until(lambda: kept(redis))
    dead.host.registry.redis.stop = lambda: None  # type: ignore[method-assign]
    for greenlet in dead.host.registry.redis._greenlets:
        greenlet.kill()
    [link] = dead.host.registry.redis.up
    assert link is not None
    link.abort("the worker died")
    until(lambda: heir.types == [EventType.CALL_ENDED])
    assert heir.events[0].call_id == call.id
    until(lambda: not kept(redis))
    assert EventType.CALL_ENDED not in dead.types
    heir.stop()


def test_a_worker_that_stood_still_for_longer_than_its_lease_tells_only_what_is_left_to_it(told: Told, redis: Redis):
    alice, _ = meet(told.host)
    told.host.workers.settle()
    told.host.registry.redis.lease_ends[0] = 0.0
    alice.drops()
    told.host.workers.settle()
    assert EventType.CALL_ENDED not in told.types
    told.host.registry.directory.collect(0)
    until(lambda: told.types == CALL)
    told.host.workers.settle()
    assert kept(redis) == []


def test_a_call_that_the_app_ended_stays_ended_when_redis_is_empty(redis: Redis):
    redis.ask("FLUSHALL")
    one, other = Told(redis.url), Told(redis.url)
    alice, bob = one.host.joins("alice", "bob"), other.host.joins("bob", "alice")
    one.host.workers.settle()
    [call] = one.host.registry.directory.calls()
    other.host.registry.directory.end_call(call.id)
    one.host.workers.settle()
    for told in (one, other):
        told.host.deaf()
    redis.ask("FLUSHALL")
    for told in (one, other):
        told.host.breaks()
        until(lambda told=told: told.host.up)  # type: ignore[misc]
    alice.drops(1000)
    bob.drops(1000)
    for told in (one, other):
        told.host.workers.settle()
    ended = [event for event in one.events + other.events if event.type == EventType.CALL_ENDED]
    assert [event.call_id for event in ended].count(call.id) == 1
    for told in (one, other):
        told.stop()


def test_a_wait_that_ended_with_an_eviction_by_mistake_is_another_one_afterwards(redis: Redis):
    redis.ask("FLUSHALL")
    one, other = Told(redis.url), Told(redis.url)
    alice = one.host.joins("alice", "bob")
    pair = alice.session.pair
    assert pair is not None
    other.host.registry.evict(pair, alice.session.id, "alice", one.host.registry.redis.worker)
    until(lambda: len(one.events) == 2)
    alice.drops(1000)
    until(lambda: len(one.events) == 3)
    [lost] = other.events
    first, again, left = one.events
    assert (first.type, lost.type, lost.outcome, lost.call_id) == (
        EventType.WAITING,
        EventType.WAITING_ENDED,
        "lost",
        first.call_id,
    )
    assert (again.type, left.type, left.outcome) == (EventType.WAITING, EventType.WAITING_ENDED, "left")
    assert again.call_id == left.call_id != first.call_id
    for told in (one, other):
        told.stop()
