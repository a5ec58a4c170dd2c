"""Two minutes of the chaos; ``python -m tests.chaos`` takes longer."""

from __future__ import annotations

from tests.chaos.chaos import chaos

SEED = 14


def test_nothing_that_breaks_breaks_a_rule():
    assert chaos(minutes=2, seed=SEED) == []
