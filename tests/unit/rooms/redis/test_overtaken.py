"""A join that is slower than the join of a newer connection of the same user."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gevent
import pytest

from tests.redis.cable import Cable
from tests.redis_server import Redis, redis_server
from tests.unit.people import Host, Person, until
from tests.waiting import TIMEOUT


@pytest.fixture
def server() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


@pytest.fixture
def cable(server: Redis) -> Iterator[Cable]:
    with Cable(server.port) as cable:
        yield cable


@pytest.fixture
def slow(cable: Cable) -> Iterator[Host]:
    host = Host(cable.url, redis_timeout=TIMEOUT)
    yield host
    cable.plug()
    host.registry.redis.stop()


@pytest.fixture
def fast(server: Redis) -> Iterator[Host]:
    host = Host(server.url)
    yield host
    host.registry.redis.stop()


def seats(server: Redis) -> list[str]:
    """The users that Redis has in the one room there is."""
    found = [server.ask("HKEYS", name) for name in server.names() if ":room:" in name]
    return sorted(key.decode() for keys in found for key in keys)  # type: ignore[attr-defined]


def replaced(person: Person) -> bool:
    return any(reply.get("code") == "replaced" for reply in person.inbox)


@pytest.mark.parametrize("peer_is_slow", [False, True])
def test_who_joins_again_while_a_newer_connection_joins_elsewhere_gives_way_to_it(
    slow: Host, fast: Host, cable: Cable, server: Redis, peer_is_slow: bool
):
    old, bob = slow.joins("alice", "bob"), (slow if peer_is_slow else fast).joins("bob", "alice")
    slow.workers.settle()
    cable.pull()
    again = gevent.spawn(old.joins, "alice", "bob")
    gevent.idle()
    new = fast.joins("alice", "bob")
    cable.plug()
    again.join()
    until(lambda: replaced(old))
    slow.workers.settle()
    fast.workers.settle()
    assert old.close_code == 4001
    assert not replaced(new)
    assert new.close_code is None
    assert seats(server) == ["alice", "bob"]
    # What the transport does with who is closed.
    old.drops(4001)
    slow.workers.settle()
    fast.workers.settle()
    assert "bye" not in [reply["type"] for reply in bob.inbox], "who is replaced is no departure"
    assert bob.inbox[-1]["users"][1]["id"] == new.session.id
    bob.inbox.clear()
    new.says(type="message", data="hello")
    fast.workers.settle()
    assert [reply["data"] for reply in bob.hears()] == ["hello"]
    bob.says(type="message", data="hello yourself")
    slow.workers.settle()
    assert new.hears()[-1]["data"] == "hello yourself"


def test_who_joins_again_after_a_newer_connection_came_and_went_is_out(
    slow: Host, fast: Host, cable: Cable, server: Redis
):
    old, bob = slow.joins("alice", "bob"), fast.joins("bob", "alice")
    slow.workers.settle()
    cable.pull()
    again = gevent.spawn(old.joins, "alice", "bob")
    gevent.idle()
    new = fast.joins("alice", "bob")
    new.says(type="bye")
    cable.plug()
    again.join()
    until(lambda: old.close_code)
    slow.workers.settle()
    fast.workers.settle()
    slow.workers.settle()
    assert old.close_code == 4001
    assert seats(server) == ["bob"]
    assert old.session.pair is None
    assert bob.session.peer is None
    assert len(slow.registry._rooms) == 0
    assert json.dumps(bob.inbox).count('"bye"') == json.dumps(bob.inbox).count('"ready"')


def test_of_two_who_come_new_at_the_same_time_the_later_one_in_redis_stays(
    slow: Host, fast: Host, cable: Cable, server: Redis
):
    bob = fast.joins("bob", "alice")
    cable.pull()
    one = Person(slow.workers)
    joining = gevent.spawn(one.joins, "alice", "bob")
    gevent.idle()
    two = fast.joins("alice", "bob")
    cable.plug()
    joining.join()
    fast.workers.settle()
    slow.workers.settle()
    assert [one.close_code, two.close_code] == [None, 4001]
    assert bob.session.peer is not None
    assert bob.session.peer.id == one.session.id
    assert seats(server) == ["alice", "bob"]


def test_who_joins_again_where_redis_forgot_a_newer_connection_keeps_the_seat(slow: Host, fast: Host, server: Redis):
    """Such as a replica that became the master: what it has may be older than what the worker knows."""
    older = fast.joins("alice", "bob")
    [room] = [name for name in server.names() if ":room:" in name]
    dump = server.ask("HGET", room, "alice")
    assert isinstance(dump, bytes)
    newer = slow.joins("alice", "bob")
    until(lambda: older.close_code == 4001)
    server.ask("HSET", room, "alice", dump)  # type: ignore[arg-type]
    newer.joins("alice", "bob")
    assert newer.close_code is None
    assert newer.inbox[-1]["users"][0]["id"] == newer.session.id
