"""One minute of the soak; ``python -m tests.soak`` takes longer."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.soak import soak


def test_of_a_minute_of_churn_nothing_is_left(certificate: Path):
    assert soak(certificate, minutes=1, seed=random.randrange(2**32)) == []
