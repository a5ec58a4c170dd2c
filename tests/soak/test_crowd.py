"""A smaller crowd at two workers; ``python -m tests.soak.crowd`` is the ten thousand."""

from __future__ import annotations

import random

from tests.soak.crowd import crowd


def test_after_a_worker_was_killed_everybody_is_where_they_are():
    assert crowd(connections=500, seconds=12, seed=random.randrange(2**32)) == []
