"""For what no event tells of: looking for it again and again, for as long as a test has patience."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 20.0
"""Seconds. What takes longer on a busy machine as well does not come any more."""

_SECONDS_BETWEEN = 0.02


def wait_until(look: Callable[[], T], timeout: float = TIMEOUT, told: Callable[[], object] = str) -> T:
    """Return what ``look`` finds as soon as that is something; to find no connection is to find nothing.

    Args:
        look: also fails in vain by an assertion of its own.
        patience: seconds.
        told: what to show where it never comes, such as a log.
    """
    deadline = time.monotonic() + patience
    while True:
        fault: Exception | None = None
        try:
            if found := look():
                return found
        except (OSError, AssertionError) as error:
            fault = error
        if time.monotonic() > deadline:
            source = inspect.getsource(look).strip()
            raise AssertionError(f"not within {patience:.0f} seconds: {source}\n{told()}") from fault
        time.sleep(_SECONDS_BETWEEN)
