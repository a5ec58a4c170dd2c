from __future__ import annotations

import pytest

from signaling.process import backoff


@pytest.mark.parametrize(("attempt", "limit"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (10_000, 10)])
def test_the_limit_doubles_up_to_the_maximum_and_the_delay_is_never_quite_the_same(attempt: int, limit: float):
    delays = {backoff.delay(attempt, 1.0, 10.0) for _ in range(100)}
    assert limit / 2 <= min(delays) < max(delays) <= limit
