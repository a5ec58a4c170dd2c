"""What a worker and Redis say to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import gevent
import pytest

from signaling.config.redis_url import CLUSTER_PARTITIONS, Address, Servers
from signaling.config.settings import Settings
from signaling.protocol.messages import Pair
from signaling.rooms.redis.connector import key_slot
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis, redis_server
from tests.unit.people import Person, Workers, until
from tests.waiting import TIMEOUT


def calls(redis: Redis) -> int:
    """How often a script was run."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", redis.ask("INFO", "commandstats"))  # type: ignore[arg-type]
    return int(found[1]) if found else 0


def test_a_join_is_one_round_trip(redis: Redis):
    # No beat comes between.
    workers = Workers(RedisRegistry(Settings(redis_url=redis.url, node_timeout=3_600)))
    Person(workers).joins("warm", "up").drops().hears()
    before = calls(redis)
    alice, bob = Person(workers).joins("alice", "bob"), Person(workers).joins("bob", "alice")
    assert calls(redis) - before == 2
    alice.says(type="message", data=1)
    assert bob.hears()[-1]["data"] == 1
    assert calls(redis) - before == 2, "what stays inside a worker does not touch Redis"
    for person in (alice, bob):
        person.drops()
    workers.stop()


def test_keys_are_those_of_a_prefix_and_may_be_told_apart_from_others(redis: Redis):
    redis.ask("FLUSHALL")
    workers = Workers(*(RedisRegistry(Settings(redis_url=redis.url, redis_prefix=name)) for name in ("one", "two")))
    alice, bob = Person(workers).joins("alice", "bob"), Person(workers).joins("bob", "alice")
    assert alice.hears_types() == ["created", "roomInfo"]
    assert bob.hears_types() == ["created", "roomInfo"], "they are of two services"
    assert {name.partition(":")[0] for name in redis.names()} == {"one", "two"}
    workers.stop()


@pytest.fixture
def hosts(redis: Redis) -> Iterator[tuple[RedisRegistry, RedisRegistry]]:
    redis.ask("FLUSHALL")
    one, other = RedisRegistry(Settings(redis_url=redis.url)), RedisRegistry(Settings(redis_url=redis.url))
    yield one, other
    one.redis.stop()
    other.redis.stop()


def test_a_message_of_somebody_who_is_not_the_peer_any_more_finds_nobody(hosts):
    here, there = Workers(hosts[0]), Workers(hosts[1])
    alice = Person(here).joins("alice", "bob")
    bob = Person(there).joins("bob", "alice")
    stale = bob.session.peer
    stale.deliver(b'{"type":"before"}')
    there.settle()
    assert alice.hears()[-1] == {"type": "before"}
    bob.says(type="bye")
    stale.deliver(b'{"type":"late"}')
    there.settle()
    assert alice.hears_types() == ["bye", "roomInfo"]
    carol = Person(there).joins("bob", "alice")
    stale.deliver(b'{"type":"late"}')
    there.settle()
    assert alice.hears_types() == ["ready", "roomInfo"]
    alice.drops()
    carol.drops()


def test_a_late_word_that_a_replaced_connection_is_gone_takes_nobody_out(hosts):
    here, there = Workers(hosts[0]), Workers(hosts[1])
    old, bob = Person(here).joins("alice", "bob"), Person(here).joins("bob", "alice")
    new = Person(there).joins("alice", "bob")
    bob.hears()
    hosts[0].evict(Pair("alice", "bob"), old.session.id, "alice", hosts[0].redis.worker)
    here.settle()
    there.settle()
    assert bob.hears() == []
    new.says(type="message", data=1)
    there.settle()
    assert bob.hears_types() == ["message"]
    new.drops()
    bob.drops()


class Deaf:
    """While a worker does not hear what Redis says, which takes it for dead."""

    def __init__(self, registry: RedisRegistry) -> None:
        [self._link] = registry.redis.up

    def __enter__(self) -> None:
        self._link._watcher.stop()

    def __exit__(self, *_: object) -> None:
        self._link._watcher.start(self._link._readable)


def test_who_joins_again_before_its_worker_hears_that_it_was_taken_for_dead_still_has_its_peer(hosts):
    here, there = Workers(hosts[0]), Workers(hosts[1])
    Person(there).joins("warm", "up").drops()
    alice, bob = Person(here).joins("alice", "bob"), Person(here).joins("bob", "alice")
    assert len(alice.hears() + bob.hears()) == 6
    with Deaf(hosts[0]):
        for person, name in ((alice, "alice"), (bob, "bob")):
            hosts[1].evict(Pair("alice", "bob"), person.session.id, name, hosts[0].redis.worker)
        there.settle()
        joining = gevent.spawn(alice.joins, "alice", "bob")
        gevent.sleep(0.1)
    joining.get()
    assert alice.hears_types() == ["joined", "roomInfo"]
    assert bob.hears_types() == ["ready", "roomInfo"]
    alice.says(type="message", data=1)
    bob.says(type="message", data=2)
    assert (alice.hears_types(), bob.hears_types()) == (["message"], ["message"])
    carol = Person(there).joins("bob", "alice")
    assert carol.hears_types() == ["joined", "roomInfo"], "they are back in Redis as well"
    alice.drops()
    carol.drops()


def test_who_joins_again_before_its_worker_hears_that_it_was_taken_for_dead_hears_who_left_meanwhile(hosts):
    here, there = Workers(hosts[0]), Workers(hosts[1])
    alice, bob = Person(here).joins("alice", "bob"), Person(there).joins("bob", "alice")
    here.settle()
    assert len(alice.hears()) == 4
    with Deaf(hosts[0]):
        hosts[1].evict(Pair("alice", "bob"), alice.session.id, "alice", hosts[0].redis.worker)
        bob.drops()
        there.settle()
        joining = gevent.spawn(alice.joins, "alice", "bob")
        gevent.sleep(0.1)
    joining.get()
    assert alice.hears_types() == ["bye", "roomInfo", "created", "roomInfo"]
    alice.drops()


def test_nobody_is_taken_for_dead_because_redis_stood_still():
    with redis_server() as redis:
        # A lease of 2.1 seconds, and no hurry to take Redis for lost.
        settings = Settings(redis_url=redis.url, node_timeout=3, redis_timeout=TIMEOUT)
        workers = Workers(RedisRegistry(settings), RedisRegistry(settings))
        alice, bob = Person(workers).joins("alice", "bob"), Person(workers).joins("bob", "alice")
        alice.hears()
        bob.hears()
        # From the first beat on, Redis knows how long there was none.
        until(lambda: bool(redis.ask("HGET", "signaling:{0}:workers", "")))
        redis.hold()
        gevent.sleep(3.0)
        redis.go_on()
        # Time for each to look, and to act on it.
        gevent.sleep(1.0)
        assert alice.hears() == []
        assert bob.hears() == []
        alice.says(type="message", data=1)
        assert bob.hears_types() == ["message"]
        alice.drops()
        bob.drops()
        workers.stop()


def test_what_a_worker_sent_before_it_was_away_is_not_done_late(redis: Redis):
    redis.ask("FLUSHALL")
    workers = Workers(RedisRegistry(Settings(redis_url=redis.url)))
    early = Person(workers).joins("early", "bird")
    # As if it had registered anew since it sent what comes now.
    redis.ask("HSET", "signaling:{0}:workers", workers.names[0], "later 9999999999999 {}")
    late = Person(workers).joins("late", "comer")
    assert late.hears()[-1]["code"] == "unavailable"
    assert late.close_code == 1013
    assert not [name for name in redis.names() if "late" in name]
    # The worker begins anew by that, and has put in order what it knows.
    assert Person(workers).joins("bird", "early").hears_types() == ["joined", "roomInfo"]
    assert early.hears_types() == ["created", "roomInfo", "ready", "roomInfo"]
    early.drops()
    workers.stop()


def test_ids_of_any_characters_are_taken_as_they_are(redis: Redis):
    workers = Workers(*(RedisRegistry(Settings(redis_url=redis.url)) for _ in range(2)))
    names = ("{7}:\u0000*?[]\\\u2028😀", 'room_"x"_')
    one, other = Person(workers).joins(*names), Person(workers).joins(*reversed(names))
    assert [user["userId"] for user in one.hears()[-1]["users"]] == list(names)
    other.says(type="message", data="x")
    assert one.hears()[-1]["from"] == names[1]
    one.drops()
    other.drops()
    workers.stop()


def test_the_names_of_rooms_in_redis_are_those_of_pairs():
    from signaling.rooms.redis.room import room_key

    assert room_key(Pair("a_b", "c")) != room_key(Pair("a", "b_c"))


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("redis://localhost", Servers("", (Address("localhost", 6379),), False, "", "", 0, "")),
        ("redis://secret@h:7/2", Servers("", (Address("h", 7),), False, "", "secret", 2, "")),
        ("rediss://me:p%40ss@[::1]:7", Servers("", (Address("::1", 7),), True, "me", "p@ss", 0, "")),
        ("unix:///run/redis.sock?db=1", Servers("", (Address("/run/redis.sock", 0),), False, "", "", 1, "")),
        ("unix://:pw@/run/r.sock", Servers("", (Address("/run/r.sock", 0),), False, "", "pw", 0, "")),
        (
            "redis+sentinel://a,b:7/calls/1",
            Servers("sentinel", (Address("a", 26379), Address("b", 7)), False, "", "", 1, "calls"),
        ),
        ("rediss+cluster://a:1,b:2", Servers("cluster", (Address("a", 1), Address("b", 2)), True, "", "", 0, "")),
    ],
)
def test_a_url_says_where_redis_is(url: str, servers: Servers):
    assert Servers.of(url) == servers


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://:pw@localhost",
        "redis://:pw@localhost:port",
        "redis://:pw@localhost:0x1",
        "redis://:pw@a,b",
        "redis://:pw@",
        "redis://:pw@h/x",
        "redis://:pw@h/1/2",
        "redis+sentinel://:pw@a",
        "redis+cluster://:pw@a/1",
        "unix://:pw@relative.sock",
        "unix:///x?db=y",
        "redis://:pw@[::1",
    ],
)
def test_a_url_that_says_nothing_of_the_kind_is_refused_without_its_password(url: str):
    with pytest.raises(ValueError, match=r".") as error:
        Servers.of(url)
    assert "pw" not in str(error.value)


def test_slots_are_those_of_redis(redis: Redis):
    assert key_slot("123456789") == 0x31C3, "the check value of the specification"
    assert len({key_slot(str(number)) * 3 // 16_384 for number in range(CLUSTER_PARTITIONS)}) == 3
