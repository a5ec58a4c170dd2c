"""Parameters that `make test` leaves to `make test-long`: one of many that go the same way, or a few, tell as much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def rest_long(values: Iterable[Any], quick: int = 1) -> list[Any]:
    """Mark all parameters but the first ``quick`` ones as long; a tuple is one value for each name."""
    each = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*value, marks=[pytest.mark.long] * (at >= quick)) for at, value in enumerate(each)]
