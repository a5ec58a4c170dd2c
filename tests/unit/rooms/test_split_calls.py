"""A call whose two ends are at two workers: each notes its own, and one of them counts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from signaling.config.settings import Settings
from signaling.rooms.context import SessionContext
from signaling.rooms.redis.registry import RedisRegistry
from signaling.rooms.registry import Registry
from signaling.rooms.session import Session
from signaling.telemetry.call_record import CallRecord, merge
from tests.redis_server import Redis
from tests.unit.people import Person, Workers

OFFER = {"type": "offer", "sdp": "v=0"}
ANSWER = {"type": "answer", "sdp": "v=0"}


class Cluster:
    """Workers that note what happens at each of them."""

    def __init__(self, redis: Redis, count: int) -> None:
        self._registries = [RedisRegistry(Settings(redis_url=redis.url)) for _ in range(count)]
        self.workers = Workers(*self._registries)
        self._services = [SessionContext.of(Settings(ops_token="ops"), registry) for registry in self._registries]

    def service(self, registry: Registry) -> SessionContext:
        return next(service for service in self._services if service.registry is registry)

    def joins(self, at: int, user: str, remote: str) -> Person:
        person = Person(self._services[at].registry).joins(user, remote)
        self.workers.settle()
        return person

    def takes_out(self, at: int, session: Session) -> None:
        """A worker takes the connection of another one for gone."""
        whose = session._context.registry
        assert session.pair is not None
        assert isinstance(whose, RedisRegistry)
        self._registries[at].evict(session.pair, session.id, session.user.key, whose.redis.worker)

    def states(self) -> list[str]:
        """How far the calls are that each worker counts, in order of the workers."""
        self.workers.settle()
        counts = [service.stats.calls.states() for service in self._services]
        assert sum(sum(count.values()) for count in counts) == self.workers.room_count
        return [" ".join(state for state, number in count.items() if number) for count in counts]

    def tells(self, at: int) -> list[CallRecord]:
        calls = self._services[at].stats.calls
        return [CallRecord.of(call, str, f"w:{at}") for call in (*calls.open.values(), *calls.recent)]

    def united(self) -> list[CallRecord]:
        self.workers.settle()
        open_, over = merge((account for at in range(len(self._services)) for account in self.tells(at)), 100)
        return open_ + over


@pytest.fixture
def cluster(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Cluster]]:
    redis.ask("FLUSHALL")
    made: list[Cluster] = []
    of = SessionContext.of

    def make(count: int) -> Cluster:
        monkeypatch.setattr(SessionContext, "of", of)
        made.append(Cluster(redis, count))
        # A person has that of the worker that it comes to.
        monkeypatch.setattr(SessionContext, "of", lambda _, registry: made[-1].service(registry))
        return made[-1]

    yield make
    for one in made:
        one.workers.stop()


def test_the_worker_of_the_latest_arrival_counts_it(cluster: Callable[[int], Cluster]):
    town = cluster(2)
    alice = town.joins(0, "alice", "bob")
    assert town.states() == ["waiting", ""]
    bob = town.joins(1, "bob", "alice")
    assert town.states() == ["", "negotiating"]
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    assert town.states() == ["", "settled"]


@pytest.mark.parametrize("leaves", [0, 1])
def test_when_one_leaves_the_other_one_s_worker_counts_it(cluster: Callable[[int], Cluster], leaves: int):
    town = cluster(2)
    people = [town.joins(0, "alice", "bob"), town.joins(1, "bob", "alice")]
    assert town.states() == ["", "negotiating"]
    people[leaves].drops()
    expected = ["waiting", "waiting"]
    expected[leaves] = ""
    assert town.states() == expected
    people[1 - leaves].drops()
    assert town.states() == ["", ""]


def test_who_comes_back_at_a_third_worker_brings_it_there(cluster: Callable[[int], Cluster]):
    town = cluster(3)
    alice = town.joins(0, "alice", "bob")
    bob = town.joins(1, "bob", "alice")
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    assert town.states() == ["", "settled", ""]
    town.joins(2, "bob", "alice")
    assert town.states() == ["", "", "negotiating"]
    [call] = town.united()
    assert (call.ended, call.answered_in, call.present) == (None, None, [True, True])
    assert call.nodes == ["w:0", "w:1", "w:2"]


def test_a_user_who_moves_to_the_peer_s_worker_leaves_one_call_there(cluster: Callable[[int], Cluster]):
    town = cluster(2)
    town.joins(0, "alice", "bob")
    town.joins(1, "bob", "alice")
    town.joins(0, "bob", "alice")
    assert town.states() == ["negotiating", ""]


def test_an_old_answer_is_not_taken_for_one_to_who_came_elsewhere(cluster: Callable[[int], Cluster]):
    """Both were at one worker, where bob answered; then he came to another one, and did not."""
    town = cluster(2)
    alice, bob = town.joins(0, "alice", "bob"), town.joins(0, "bob", "alice")
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    assert town.united()[0].answered_in is not None
    town.joins(1, "bob", "alice")
    [call] = town.united()
    assert (call.answered_in, call.state) == (None, "negotiating")
    # Nor where the other worker does not answer.
    [own] = town.tells(0)
    assert (own.answered_in, own.state) == (None, "negotiating")


def test_each_worker_notes_its_own_end_and_together_they_have_the_call(cluster: Callable[[int], Cluster]):
    town = cluster(2)
    alice = town.joins(0, "alice", "bob")
    bob = town.joins(1, "bob", "alice")
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    bob.drops(1006)
    alice.drops(1000)
    [call] = town.united()
    steps = [f"{call.users[step.user]} {step.what}" for step in call.steps]
    assert steps == [
        "alice created",
        "bob joined",
        "alice ready",
        "alice offer",
        "bob answer",
        "bob left",
        "alice left",
    ]
    assert (call.state, call.present) == ("over", [False, False])
    assert call.answered_in is not None


def test_who_was_taken_for_gone_and_is_back_does_not_take_it_along(cluster: Callable[[int], Cluster]):
    """Nobody arrived: the latest is who it was before, and measures the negotiation that begins."""
    town = cluster(2)
    bob, alice = town.joins(1, "bob", "alice"), town.joins(0, "alice", "bob")
    assert town.states() == ["negotiating", ""]
    bob.says(type="message", data=OFFER)
    alice.says(type="message", data=ANSWER)
    alice.hears()
    assert town.states() == ["settled", ""]
    town.takes_out(0, bob.session)
    assert town.states() == ["negotiating", ""]
    assert alice.hears_types() == ["bye", "roomInfo", "ready", "roomInfo"]
    [call] = town.united()
    assert call.answered_in is None
    assert [step.what for step in call.steps][-1] == "ready"
