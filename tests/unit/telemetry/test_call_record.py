"""What several workers tell of one call becomes one account of it."""

from __future__ import annotations

from typing import Any

import pytest

from signaling.telemetry.call import CallState, Step
from signaling.telemetry.call_record import CallRecord, merge
from signaling.telemetry.diagnosis import diagnose

ALICE, BOB = 0, 1


def told(
    node: str, began: float, ended: float | None = None, *steps: tuple[float, int, str], **more: Any
) -> CallRecord:
    """What a node tells of the call of alice and bob."""
    fields: dict[str, Any] = {
        "number": f"{node}/1",
        "nodes": [node],
        "users": ("alice", "bob"),
        "present": [False, False],
        "state": CallState.OVER if ended else CallState.NEGOTIATING,
        "met": True,
        "answered_in": None,
        "settled_in": None,
        "skipped": 0,
    }
    return CallRecord(began=began, ended=ended, steps=[Step(*step) for step in steps], **(fields | more))


def united(*records: CallRecord) -> list[CallRecord]:
    open_, over = merge(records, 100)
    return open_ + over


def of_alice(**more: Any) -> CallRecord:
    steps = ((10.0, ALICE, "created"), (12.5, ALICE, "offer"), (12.7, ALICE, "candidates"))
    return told("a:1", 10.0, None, *steps, present=[True, False], **more)


def of_bob(**more: Any) -> CallRecord:
    steps = ((12.0, BOB, "joined"), (12.1, ALICE, "ready"), (12.6, BOB, "answer"))
    record = {"present": [False, True], "state": CallState.SETTLED, "answered_in": 0.5, "settled_in": 0.8}
    return told("b:2", 12.0, None, *steps, **(record | more))


def test_both_ends_of_a_call_are_one_call_whoever_tells_first():
    for records in ([of_alice(), of_bob()], [of_bob(), of_alice()]):
        [call] = united(*records)
        assert (call.state, call.present, call.began, call.ended) == (CallState.SETTLED, [True, True], 10.0, None)
        assert (call.answered_in, call.settled_in) == (0.5, 0.8)
        assert [step.what for step in call.steps] == ["created", "joined", "ready", "offer", "answer", "candidates"]
        assert (call.number, call.nodes) == ("a:1/1", ["a:1", "b:2"])


def test_a_call_that_one_tells_is_as_it_was_told():
    assert united(of_bob()) == [of_bob()]


def test_the_sentence_is_that_of_the_whole_call():
    assert diagnose(of_alice()) == "Waits for bob to answer the offer of alice."
    [call] = united(of_alice(), of_bob())
    assert diagnose(call).startswith("Answered after 0.50 s")


def test_a_call_goes_on_while_one_end_does():
    [call] = united(told("a:1", 10.0, 20.0), of_bob(state=CallState.WAITING))
    assert (call.state, call.ended, call.present) == (CallState.WAITING, None, [False, True])


def test_a_call_is_over_when_its_last_end_is():
    [call] = united(told("a:1", 10.0, 20.0, skipped=3), told("b:2", 12.0, 25.0, skipped=4))
    assert (call.state, call.ended, call.skipped) == (CallState.OVER, 25.0, 7)


def test_the_same_two_at_another_time_have_another_call():
    earlier, later = told("a:1", 10.0, 20.0), told("b:2", 20.0, 30.0)
    assert united(earlier, later) == [later, earlier]


def test_other_users_at_the_same_time_have_another_call():
    assert len(united(of_alice(), of_bob(users=("alice", "carol")))) == 2


def test_who_came_back_at_a_third_worker_is_in_the_same_call():
    """Alice was at a, then at c; bob was at b all the time."""
    parts = [told("a:1", 10.0, 20.0, number="a:1/7"), told("b:2", 12.0, None), told("c:3", 21.0, None)]
    [call] = united(*parts)
    assert (call.number, call.nodes, call.ended) == ("a:1/7", ["a:1", "b:2", "c:3"], None)


def test_times_are_those_of_the_latest_negotiation():
    """Bob came anew, to another worker: what was measured when he came first is not his answer now."""
    before = told("b:2", 12.0, 20.0, (12.0, BOB, "joined"), (12.1, ALICE, "ready"), answered_in=0.5, settled_in=0.8)
    now = told("c:3", 19.0, None, (19.0, BOB, "replaced"), (19.1, ALICE, "ready"))
    [call] = united(of_alice(), before, now)
    assert (call.answered_in, call.settled_in) == (None, None)


def test_an_answer_that_another_worker_passed_on_is_one_all_the_same():
    alice = told("a:1", 10.0, None, (10.0, ALICE, "created"), (12.5, ALICE, "answer"), state=CallState.SETTLED)
    bob = told("b:2", 12.0, None, (12.0, BOB, "joined"), (12.0, ALICE, "ready"), (12.2, BOB, "offer"))
    [call] = united(alice, bob)
    assert (call.state, call.answered_in) == (CallState.SETTLED, pytest.approx(0.5))


def test_of_both_kinds_the_newest_are_there_the_newest_first():
    """What goes on is as old as its beginning, what is over as its end."""
    going_on = [told("a:1", at, users=(f"user {at}", "bob")) for at in (1.0, 3.0, 2.0)]
    over = [told("b:1", 10 - at, 100 + at, users=(f"guest {at}", "bob")) for at in (1.0, 3.0, 2.0)]
    newest = merge([*over, *going_on], 2)
    names = [[call.users[0] for call in kind] for kind in newest]
    assert names == [["user 3.0", "user 2.0"], ["guest 3.0", "guest 2.0"]]
