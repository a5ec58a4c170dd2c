"""Some seconds of attacks of each kind; `make attacks` measures each of them for longer, against strict limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attacks.attack import Attack
from tests.attacks.catalogue import ATTACKS, NOBODY
from tests.attacks.trial import trial
from tests.waiting import TIMEOUT

SECONDS = float(os.environ.get("ATTACK_SECONDS", "4"))
EACH = int(os.environ.get("ATTACK_EACH", "4"))
"""Of so many attacks one is tried, in the order of the catalogue, which has those of a kind in a row; 1 for all."""


@pytest.mark.parametrize("attack", ATTACKS[::EACH], ids=lambda attack: attack.name)
def test_a_call_goes_on_while_somebody_attacks(attack: Attack, certificate: Path):
    outcome = trial(attack, certificate, SECONDS)
    assert outcome.faults(TIMEOUT, TIMEOUT) == []
    # If the attack were served first, three quarters of the messages would wait for a quarter of its time or longer.
    assert outcome.latency(0.25) < SECONDS / 8
    assert outcome.done.get("connections") or attack is NOBODY, "nobody attacked"
