"""A smaller crowd at two workers; ``python -m tests.soak.crowd`` is the ten thousand."""

from __future__ import annotations

import random

import pytest

from tests.soak.crowd import crowd


@pytest.mark.timeout(900)
def test_after_a_worker_was_killed_everybody_is_where_they_are():
    assert crowd(connections=500, seconds=12, seed=random.randrange(2**32)) == []
