"""How long tests wait: only as a safety net, since no clock decides a test."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 120.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
"""Seconds after which an event counts as missing: far beyond an honest run. Only a test that fails waits so long."""

TEST_TIMEOUT = 10 * TIMEOUT
"""Seconds after which a test as a whole counts as hung; its fixtures count in."""

_SECONDS_BETWEEN = 0.02


def wait_until(look: Callable[[], T], timeout: float = TIMEOUT, told: Callable[[], object] = str) -> T:
    """Call ``look`` again and again until it returns something, and return that.

    Args:
        look: a failed assertion or connection in it counts as nothing found.
        timeout: seconds.
        told: returns what to show when the time is over, such as a log.
    """
    deadline = time.monotonic() + timeout
    while True:
        fault: Exception | None = None
        try:
            if found := look():
                return found
        except (OSError, AssertionError) as error:
            fault = error
        if time.monotonic() > deadline:
            source = inspect.getsource(look).strip()
            raise AssertionError(f"not within {timeout:.0f} seconds: {source}\n{told()}") from fault
        time.sleep(_SECONDS_BETWEEN)
