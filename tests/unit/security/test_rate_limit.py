"""Rates with bursts, on a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.security.rate_limit import Rate, TokenBucket


def taken(bucket: TokenBucket, times: int, now: float) -> int:
    return sum(bucket.try_acquire(now) for _ in range(times))


def test_a_burst_passes_at_once_and_nothing_after_it():
    bucket = TokenBucket(Rate.of(100, "messages", 200))
    assert taken(bucket, 1_000, 5.0) == 200


def test_after_a_burst_as_many_pass_as_the_rate_says():
    bucket = TokenBucket(Rate.of(100, "messages", 200))
    taken(bucket, 200, 0.0)
    assert [taken(bucket, 1_000, now) for now in (0.1, 1.1, 11.1)] == [10, 100, 200]


def test_candidates_in_a_browsers_burst_pass_every_second():
    """Trickle ICE: some fifty messages in the second in which a call begins, and again at each ICE restart."""
    bucket = TokenBucket(Rate.of(100, "messages", 200))
    assert all(taken(bucket, 50, second / 1) == 50 for second in range(60))


def test_joins_are_counted_by_the_minute():
    bucket = TokenBucket(Rate.of(60, "joins", 60, 60.0))
    assert taken(bucket, 100, 0.0) == 60
    assert [taken(bucket, 100, now) for now in (0.5, 1.0, 60.0)] == [0, 1, 59]


def test_no_rate_is_no_limit():
    bucket = TokenBucket(Rate.of(0, "messages", 1))
    assert taken(bucket, 10_000, 0.0) == 10_000


def test_a_rate_below_one_lets_one_pass_at_once():
    bucket = TokenBucket(Rate.of(0.5, "joins", 0.5, 60.0))
    assert [bucket.try_acquire(now) for now in (0.0, 119.0, 120.0)] == [True, False, True]


def test_refusals_are_borne_as_long_as_they_are_no_more_than_what_passes():
    bucket = TokenBucket(Rate.of(10, "messages", 20))
    assert sum(bucket.tolerate(0.0) for _ in range(100)) == 20
    assert not bucket.tolerate(0.0)
    assert bucket.tolerate(0.1)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Rate.of(100, "messages", 200), "at most 100 messages a second"),
        (Rate.of(2.5, "joins", 2.5, 60.0), "at most 2.5 joins a minute"),
    ],
)
def test_a_limit_says_itself(rate, words):
    assert rate.words == words


@given(st.floats(0.1, 1_000), st.integers(1, 100), st.lists(st.floats(0, 10, allow_subnormal=False), max_size=200))
def test_never_more_than_a_burst_and_the_rate(number, burst, pauses):
    """Whatever the pauses: since any moment, no more passed than the burst and the rate's share of the time."""
    bucket = TokenBucket(Rate.of(number, "messages", burst))
    now, passed = 0.0, []
    for pause in pauses:
        now += pause
        if bucket.try_acquire(now):
            passed.append(now)
    for first, since in enumerate(passed):
        assert len(passed) - first <= burst + (now - since) * number + 1e-6 * len(passed)


def test_an_allowance_is_idle_when_it_is_full_again():
    bucket = TokenBucket(Rate.of(10, "messages", 20))
    taken(bucket, 10, 0.0)
    assert [bucket.idle(now) for now in (0.5, 1.0)] == [False, True]


def test_several_at_once_count_as_several_or_not_at_all():
    bucket = TokenBucket(Rate.of(10, "messages", 20))
    assert [bucket.try_acquire(0.0, times) for times in (15, 6, 5, 1)] == [True, False, True, False]
