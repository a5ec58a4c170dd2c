"""Counts by upper bounds, and what can be told from them."""

from __future__ import annotations

from math import inf

import pytest

from signaling.telemetry.histogram import Histogram


def observed(*values: float) -> Histogram:
    histogram = Histogram((1.0, 2.0, 4.0))
    for value in values:
        histogram.observe(value)
    return histogram


def test_a_bucket_holds_what_is_at_most_its_bound_and_all_below():
    histogram = observed(0.5, 1.0, 1.5, 4.0, 9.0)
    assert histogram.buckets() == [(1.0, 2), (2.0, 3), (4.0, 4), (inf, 5)]
    assert histogram.total == 16.0
    assert histogram.count == 5


def test_without_observations_there_is_no_quantile():
    assert observed().quantile(0.5) is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)],
)
def test_a_quantile_lies_evenly_within_its_bucket(share: float, expected: float):
    assert observed(0.1, 0.9, 1.1, 1.9).quantile(share) == expected


def test_an_empty_bucket_holds_no_quantile():
    assert observed(3.0).quantile(0.5) == 3.0
    assert observed(0.5, 3.0).quantile(0.5) == 1.0


def test_what_is_over_the_last_bound_is_taken_for_it():
    assert observed(100.0).quantile(0.95) == 4.0


def test_two_together_have_observed_what_both_did():
    assert observed(0.5, 3.0) + observed(1.5, 9.0) == observed(0.5, 1.5, 3.0, 9.0)


def test_one_with_other_bounds_cannot_be_added():
    assert observed(0.5) + Histogram((1.0,)) == observed(0.5)
