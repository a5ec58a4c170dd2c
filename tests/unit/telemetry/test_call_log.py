"""What is kept of each call: its state, its steps, how long it took, and never more than there is room for."""

from __future__ import annotations

import json

import pytest

from signaling.config.settings import Settings
from signaling.node.node import Node
from signaling.rooms.context import SessionContext
from signaling.rooms.memory import MemoryRegistry
from signaling.telemetry import call_log
from signaling.telemetry.call import Call, CallState
from signaling.telemetry.call_log import MAX_STEPS, CallLog
from signaling.telemetry.call_record import CallRecord
from signaling.telemetry.diagnosis import diagnose
from signaling.telemetry.stats import Stats
from signaling.web.ops import calls as shown
from tests.unit.people import Person

OFFER = {"type": "offer", "sdp": "v=0 secret"}
ANSWER = {"type": "answer", "sdp": "v=0 secret"}


class Town:
    """Users of one service that shares what it notes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings) -> None:
        self.context = SessionContext.of(Settings(ops_token="ops", **settings), MemoryRegistry())
        monkeypatch.setattr(SessionContext, "of", lambda *_: self.context)

    @property
    def calls(self) -> CallLog:
        return self.context.stats.calls

    @property
    def call(self) -> Call:
        """The only one there is."""
        (found,) = [*self.calls.open.values(), *self.calls.recent]
        return found

    def joins(self, user: str, remote: str) -> Person:
        return Person(self.context.registry).joins(user, remote)

    def meet(self) -> tuple[Person, Person]:
        return self.joins("alice", "bob"), self.joins("bob", "alice")

    def steps(self) -> list[str]:
        call = self.call
        return [f"{call.pair[step.user]} {step.what}" for step in call.steps]

    def says(self) -> str:
        return diagnose(CallRecord.of(self.call, self.context.stats.name))


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Town:
    return Town(monkeypatch)


def candidate(kind: str) -> dict[str, str]:
    return {"candidate": f"candidate:1 1 udp 2122260223 192.0.2.1 54321 typ {kind} generation 0", "sdpMid": "0"}


def trickles(person: Person, *kinds: str) -> None:
    for kind in kinds:
        person.says(type="candidate", candidate=candidate(kind))


def test_a_call_that_goes_well_from_its_first_step_to_its_last(town: Town):
    alice = town.joins("alice", "bob")
    assert town.call.state is CallState.WAITING
    assert town.says() == "alice waits for bob."

    bob = town.joins("bob", "alice")
    assert town.call.state is CallState.NEGOTIATING
    assert town.says() == "Waits for the offer of alice."

    alice.says(type="message", data=OFFER)
    trickles(alice, "host", "host", "srflx")
    assert town.says() == "Waits for bob to answer the offer of alice."

    bob.says(type="message", data=ANSWER)
    trickles(bob, "host", "relay")
    bob.says(type="candidate", candidate={"candidate": ""})
    assert town.call.state is CallState.SETTLED
    assert town.says().startswith("Answered after 0.0")

    alice.says(type="bye").drops(1000)
    bob.drops(1006)
    assert town.call.state is CallState.OVER
    assert town.call.ended is not None
    assert town.steps() == [
        "alice created",
        "bob joined",
        "alice ready",
        "alice offer",
        "alice candidates",
        "bob answer",
        "bob candidates",
        "alice left",
        "bob left",
    ]
    assert [step.candidates for step in town.call.steps if step.what == "candidates"] == [
        {"host": 2, "srflx": 1},
        {"host": 1, "relay": 1, "end": 1},
    ]
    assert [step.detail for step in town.call.steps[-2:]] == ["left", "lost, close code 1006"]


@pytest.mark.parametrize("wrapped", [False, True], ids=["candidate", "message"])
def test_a_candidate_counts_in_both_its_forms(town: Town, wrapped: bool):
    alice, _ = town.meet()
    found = candidate("prflx")
    alice.says(
        {"type": "message", "data": {"type": "candidate", "candidate": found}}
        if wrapped
        else {"type": "candidate", "candidate": found}
    )
    assert town.call.steps[-1].candidates == {"prflx": 1}


@pytest.mark.parametrize("kind", ["host", "srflx", "prflx", "relay", "other", "end"])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_candidates_of_every_type_are_told_apart(town: Town, kind: str, binary: bool):
    alice, _ = town.meet()
    found = {"candidate": ""} if kind == "end" else candidate({"other": "carrier-pigeon"}.get(kind, kind))
    message = json.dumps({"type": "candidate", "candidate": found})
    for _ in range(2):
        alice.says(message.encode() if binary else message)
    assert town.call.steps[-1].candidates == {kind: 2}


def test_neither_sdp_nor_addresses_are_kept(town: Town):
    alice, bob = town.meet()
    alice.says(type="message", data=OFFER)
    trickles(alice, "host")
    bob.says(type="message", data={"chat": "secret"})
    kept = repr(town.call.steps)
    assert "secret" not in kept
    assert "192.0.2.1" not in kept


def test_a_newer_connection_is_a_step_and_no_error(town: Town):
    alice, _ = town.meet()
    town.joins("alice", "bob")
    assert alice.close_code == 4001
    assert town.steps()[3:] == ["alice replaced", "alice joined", "bob ready"]
    assert town.context.stats.errors == {"replaced": 1}
    alice.drops(4001)
    assert town.steps()[3:] == ["alice replaced", "alice joined", "bob ready"]


def test_an_error_is_a_step(town: Town):
    alice = town.joins("alice", "bob")
    alice.says(type="candidate").says(type="candidate")
    step = town.call.steps[-1]
    assert (step.what, step.detail, step.times) == ("error", "peer-absent", 2)


def test_each_negotiation_counts_its_own_candidates(town: Town):
    alice, bob = town.meet()
    for _ in range(2):
        alice.says(type="message", data=OFFER)
        trickles(alice, "host")
        bob.says(type="message", data=ANSWER)
    assert town.steps()[3:] == ["alice offer", "alice candidates", "bob answer"] * 2


def test_the_same_again_and_again_is_one_step(town: Town):
    alice, _ = town.meet()
    for number in range(100):
        alice.says(type="message", data={"chat": number})
    assert (town.call.steps[-1].what, town.call.steps[-1].times, town.call.skipped) == ("message", 100, 0)


def test_of_a_long_call_the_beginning_and_the_end_are_kept(town: Town):
    alice, bob = town.meet()
    for _ in range(MAX_STEPS):
        alice.says(type="message", data="ping")
        bob.says(type="message", data="pong")
    bob.drops()
    assert len(town.call.steps) == MAX_STEPS
    assert town.steps()[:3] == ["alice created", "bob joined", "alice ready"]
    assert town.steps()[-1] == "bob left"
    assert town.call.skipped == MAX_STEPS + 4


def test_so_many_calls_that_are_over_are_kept_the_latest_first(monkeypatch: pytest.MonkeyPatch):
    town = Town(monkeypatch, ops_calls=3)
    for number in range(5):
        town.joins(f"user{number}", "bob").drops(1000)
    assert [call.number for call in town.calls.recent] == [5, 4, 3]
    assert town.calls.steps == sum(len(call.steps) for call in town.calls.recent) == 6


def test_the_steps_of_all_calls_are_bounded(town: Town, monkeypatch: pytest.MonkeyPatch):
    """The call that is over for longest goes first; then those that go on keep no more."""
    monkeypatch.setattr(call_log, "MAX_STEPS_OF_ALL", 6)
    for number in range(3):
        town.joins(f"over{number}", "bob").drops(1000)
    assert (len(town.calls.recent), town.calls.steps) == (3, 6)

    town.meet()
    assert [call.number for call in town.calls.recent] == [3]
    assert town.calls.steps == 5
    for number in range(5):
        town.joins(f"waits{number}", "bob")
    assert not town.calls.recent
    assert town.calls.steps == 6
    assert sum(len(call.steps) for call in town.calls.open.values()) == 6


def test_without_the_page_no_step_is_kept(town: Town, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(town.context.stats, "calls", CallLog())
    alice, bob = town.meet()
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    assert town.call.steps == []
    assert town.call.state is CallState.SETTLED
    assert town.calls.states() == {"waiting": 0, "negotiating": 0, "settled": 1}


def test_the_set_up_of_a_call_is_measured_once(town: Town):
    alice, bob = town.meet()
    stats: Stats = town.context.stats
    now = 1_000_000_000.0
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    alice.says(type="message", data=OFFER)
    bob.says(type="message", data=ANSWER)
    assert (stats.answered.count, stats.settled.count) == (1, 0)
    town.calls.tick(now)
    assert (stats.answered.count, stats.settled.count) == (1, 1)
    town.calls.tick(now + 60)
    assert stats.settled.count == 1
    assert not town.calls.negotiating


class TestWhyDidMyCallNotConnect:
    """Each answer that the page gives."""

    def test_nobody_came(self, town: Town):
        town.joins("alice", "bob").drops(1000)
        assert town.says() == "bob never came."

    def test_nobody_made_an_offer(self, town: Town):
        alice, bob = town.meet()
        alice.drops(1000)
        assert town.says() == "alice was told to begin and sent no offer. alice left, bob is still there."
        bob.drops(1000)
        assert town.says() == "alice was told to begin and sent no offer."

    def test_what_was_sent_was_no_offer(self, town: Town):
        alice, bob = town.meet()
        alice.says(type="message", data={"sdp": OFFER})
        alice.drops(1000)
        bob.drops(1000)
        assert town.says() == "alice was told to begin and sent no offer, only messages of its own kind."

    def test_nobody_answered_and_the_connection_was_lost(self, town: Town):
        alice, bob = town.meet()
        alice.says(type="message", data=OFFER)
        bob.drops(1006)
        alice.says(type="message", data=OFFER).drops(1000)
        assert town.says() == (
            "bob did not answer the offer of alice. The connection of bob was lost first. Errors: peer-absent."
        )

    def test_no_candidates_came_from_one(self, town: Town):
        alice, bob = town.meet()
        alice.says(type="message", data=OFFER)
        trickles(alice, "host", "relay")
        bob.says(type="message", data=ANSWER)
        assert "no candidate came from bob" in town.says()

    def test_no_relay(self, town: Town):
        alice, bob = town.meet()
        alice.says(type="message", data=OFFER)
        trickles(alice, "host", "srflx")
        bob.says(type="message", data=ANSWER)
        trickles(bob, "host")
        assert "no relay candidate from either" in town.says()


def test_hashed_ids_are_hashed_everywhere(monkeypatch: pytest.MonkeyPatch):
    node = Node(Settings(ops_token="ops", hash_ids=True), MemoryRegistry())
    monkeypatch.setattr(SessionContext, "of", lambda *_: node.context)
    Person(node.registry).joins("alice", "bob").says(type="message", data=OFFER)
    page = shown(node)
    assert "alice" not in str({**page, "open": [{**call, "steps": []} for call in page["open"]]})
    hashed = node.stats.name("alice")
    assert hashed in json.dumps(page["open"][0]["users"])
    for asked in ("alice", hashed, hashed[:6].upper()):
        assert len(shown(node, asked)["open"]) == 1
    assert shown(node, "carol")["open"] == []
