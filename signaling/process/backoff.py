"""The delays between retries: exponential, with jitter, so that many workers do not retry in the same moment."""

from __future__ import annotations

import random

# 2.0 to the power of more would overflow in the end.
_MAX_DOUBLINGS = 60


def delay(attempt: int, first: float, maximum: float = float("inf")) -> float:
    """Return the seconds to wait after failed attempt number ``attempt``, which begins at 1.

    The limit of the delay is ``first`` after attempt 1, doubles with each further one, and stays at ``maximum``. The
    delay is random, from half of the limit to the limit.
    """
    limit = min(first * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS), maximum)
    return limit * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
