"""Messages between workers that Redis lost: who spoke is told, or both ends are told to start over."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from tests.redis.cable import Cable
from tests.redis_server import Redis, redis_server
from tests.unit.people import Host, Person, until
from tests.waiting import TIMEOUT

NO_RELAY = {"type": "error", "message": "Your peer cannot be reached at the moment", "code": "unavailable"}
STARTS_OVER = ["ready", "roomInfo"]


@pytest.fixture
def server() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


@pytest.fixture
def hosts(server: Redis) -> Iterator[tuple[Host, Host]]:
    here, there = Host(server.url), Host(server.url)
    yield here, there
    for host in (here, there):
        host.registry.redis.stop()


def meet(here: Host, there: Host, user: str = "alice", remote: str = "bob") -> tuple[Person, Person]:
    first, second = here.joins(user, remote), there.joins(remote, user)
    until(lambda: len(first.inbox) == 4 and len(second.inbox) == 2)
    first.inbox.clear()
    second.inbox.clear()
    return first, second


def heard(person: Person) -> list[str]:
    """Take the types of what came, without waiting for more."""
    types = [reply["type"] for reply in person.inbox]
    person.inbox.clear()
    return types


def subscribers(here: Host, there: Host) -> int:
    """Return how many connections Redis knows that hear of what ``there`` is told."""
    redis, channel = here.registry.redis, there.registry.redis.channel(0, there.registry.redis.worker)
    [connection] = redis.up
    assert connection is not None
    reply = redis.execute(connection, "PUBSUB", "NUMSUB", channel)
    return int(reply[channel] if isinstance(reply, dict) else reply[1])


def test_who_speaks_to_nobody_is_told(hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch):
    here, there = hosts
    alice, bob = meet(here, there)
    there.stays_away(monkeypatch)
    there.breaks()
    until(lambda: not there.up)
    until(lambda: not subscribers(here, there))
    for number in range(10):
        alice.says(type="message", data=number)
    alice.says(type="candidate", candidate="x")
    until(lambda: len(alice.inbox) == 11)
    assert alice.inbox == [NO_RELAY] * 11
    alice.inbox.clear()
    monkeypatch.undo()
    until(lambda: there.up)
    here.workers.settle()
    assert (heard(alice), heard(bob)) == (STARTS_OVER, STARTS_OVER)


def test_who_speaks_to_one_whose_departure_came_meanwhile_is_told_of_that_alone(hosts: tuple[Host, Host]):
    here, there = hosts
    alice, bob = meet(here, there)
    here.deaf()
    bob.says(type="bye")
    there.workers.settle()
    alice.says(type="message", data=1)
    there.registry.redis.stop()
    here.hears_again()
    until(lambda: len(alice.inbox) >= 2)
    here.workers.settle()
    assert heard(alice) == ["bye", "roomInfo"]


def test_what_redis_did_not_answer_when_the_link_broke_is_told_to_all_who_spoke(
    hosts: tuple[Host, Host], server: Redis
):
    here, there = hosts
    calls = [meet(here, there, f"a{number}", f"b{number}") for number in range(3)]
    server.hold()
    for number in range(50):
        for alice, _ in calls:
            alice.says(type="message", data=number)
        gevent.sleep(0)
    here.breaks()
    # Some that wait for the end of the tick, and some that were sent.
    for alice, _ in calls:
        assert alice.inbox == [NO_RELAY] * 50
    server.go_on()


def test_what_is_said_in_the_turn_in_which_the_link_breaks_is_told(hosts: tuple[Host, Host]):
    alice, _ = meet(*hosts)
    alice.says(type="message", data=1)
    hosts[0].breaks()
    alice.says(type="message", data=2)
    assert alice.inbox == [NO_RELAY] * 2


@pytest.mark.parametrize("rule", ["-publish", "resetchannels"])
def test_what_redis_refuses_to_publish_is_told(hosts: tuple[Host, Host], server: Redis, rule: str):
    alice, bob = meet(*hosts)
    # It parts with subscribers that may not be any more, so there is somebody who may.
    server.ask("ACL", "SETUSER", "default", rule)
    until(lambda: alice.says(type="message", data=1).inbox)
    assert alice.inbox[0] == NO_RELAY
    server.ask("ACL", "SETUSER", "default", "+publish", "allchannels")
    until(lambda: all(host.up for host in hosts))
    until(lambda: heard(alice)[-2:] == STARTS_OVER or not gevent.sleep(0.05))
    bob.inbox.clear()


@pytest.mark.parametrize("breaking", [0, 1])
def test_both_ends_of_a_call_between_workers_start_over_once_when_a_link_broke(hosts: tuple[Host, Host], breaking: int):
    across, inside = meet(*hosts), meet(hosts[breaking], hosts[breaking], "in", "side")
    hosts[breaking].breaks()
    until(lambda: hosts[breaking].up)
    for host in hosts:
        host.workers.settle()
    assert [heard(person) for person in across] == [STARTS_OVER, STARTS_OVER]
    assert [heard(person) for person in inside] == [[], []], "nothing of theirs was lost"
    across[0].says(type="message", data=1)
    across[1].says(type="message", data=2)
    for host in hosts:
        host.workers.settle()
    assert [heard(person) for person in across] == [["message"], ["message"]]


def test_both_start_over_when_redis_comes_back_empty(hosts: tuple[Host, Host], server: Redis):
    """Once, or once for each of the two nodes: it depends on which of them restores its seats first."""
    across = meet(*hosts)
    server.end()
    until(lambda: not any(host.up for host in hosts))
    server.start()
    until(lambda: all(host.up for host in hosts))
    for host in hosts:
        host.workers.settle()
    for person in across:
        assert heard(person) in (STARTS_OVER, 2 * STARTS_OVER)


def test_the_order_of_arrival_stays_as_it_was(hosts: tuple[Host, Host]):
    alice, bob = meet(*hosts)
    for host in hosts:
        host.breaks()
        until(lambda host=host: host.up)
    for host in hosts:
        host.workers.settle()
    for person in (alice, bob):
        assert [user["userId"] for user in person.inbox[-1]["users"]] == ["alice", "bob"]


def test_what_was_under_way_when_a_link_broke_does_not_come_after_what_was_said_since(server: Redis):
    """Redis still reads the old connection, after the worker opened another one."""
    with Cable(server.port) as cable:
        here, there = Host(cable.url), Host(server.url)
        alice, bob = meet(here, there)
        [link] = here.registry.redis.up
        old = link.execute("CLIENT", "ID", seconds=TIMEOUT)
        cable.slow(2.0)
        for number in range(10):
            alice.says(type="message", data=number)
        link.flush()
        link._send_buffer.flush()
        # Long enough for the cable to take it in, which no event tells of; too short a time would only test less.
        gevent.sleep(0.2)
        here.breaks()
        # What comes by the new one is quicker than what is under way.
        cable.slow(0.0)
        until(lambda: here.up and "ready" in [reply["type"] for reply in alice.inbox])
        alice.says(type="message", data="new")
        until(lambda: any(reply.get("data") == "new" for reply in bob.inbox))
        until(lambda: b"id=%d " % old not in server.ask("CLIENT", "LIST"))  # type: ignore[operator]
        there.workers.settle()
        assert bob.inbox[-1].get("data") == "new"
        for host in (here, there):
            host.registry.redis.stop()


def test_a_subscriber_whom_redis_parts_with_for_being_slow_loses_nothing_in_silence(
    hosts: tuple[Host, Host], server: Redis
):
    here, there = hosts
    alice, bob = meet(here, there)
    server.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 0 0")
    there.deaf()
    [old] = there.registry.redis.up
    sent = 0
    while NO_RELAY not in alice.inbox:
        alice.says(type="message", data=[sent, "x" * 20_000])
        sent += 1
        here.workers.settle()
        assert sent < 2_000
    old._watcher.start(old._readable)
    until(lambda: old.broken)
    until(lambda: there.up)
    for host in hosts:
        host.workers.settle()
    came = [reply["data"][0] for reply in bob.inbox if reply["type"] == "message"]
    assert came == list(range(len(came))), "what came is the beginning, in order"
    assert len(came) < sent
    assert heard(alice)[-2:] == STARTS_OVER
    assert heard(bob)[-2:] == STARTS_OVER


def test_who_was_taken_for_dead_and_spoke_meanwhile_starts_over_as_well(hosts: tuple[Host, Host]):
    here, there = hosts
    alice, bob = meet(here, there)
    there.deaf()
    here.registry.evict(bob.session.pair, bob.session.id, "bob", there.registry.redis.worker)
    here.workers.settle()
    assert heard(alice) == ["bye", "roomInfo"]
    bob.says(type="message", data="to nobody")
    there.hears_again()
    until(lambda: len(alice.inbox) == 2)
    for host in hosts:
        host.workers.settle()
    assert (heard(alice), heard(bob)) == (STARTS_OVER, STARTS_OVER)
