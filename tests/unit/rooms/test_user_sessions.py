"""Which sessions a user has, whatever comes and goes."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signaling.rooms.user_sessions import UserSessions

STEPS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["alice", "bob", None])), max_size=30)


@given(STEPS)
def test_a_session_has_the_user_of_its_last_move(steps: list[tuple[int, str | None]]):
    sessions, expected = UserSessions(), {}
    members: list[Any] = [object() for _ in range(5)]
    for number, user in steps:
        member = members[number]
        if user is None:
            sessions.discard(member)
            expected.pop(member, None)
        else:
            sessions.move(member, user)
            if expected.get(member) != user:
                # The latest of a user is its last one.
                expected.pop(member, None)
                expected[member] = user
        assert len(sessions) == len(expected)
        for name in ("alice", "bob"):
            assert sessions.of(name) == [each for each, its in expected.items() if its == name]
    for member in members:
        sessions.discard(member)
    assert vars(sessions) == {"_by_user": {}, "_users": {}}


def test_a_user_with_thousands_of_sessions_costs_no_more_for_each():
    sessions = UserSessions()
    members: list[Any] = [object() for _ in range(10_000)]
    for member in members:
        sessions.move(member, "alice")
    tracemalloc.start()
    try:
        sessions.discard(members[5_000])
        # A copy of all of them would take 80,000 bytes.
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
