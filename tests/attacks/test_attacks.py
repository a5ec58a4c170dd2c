"""Some seconds of attacks of each kind, with limits that no slow machine breaks; the command line has the true ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.attacks.attack import Attack
from tests.attacks.catalogue import ATTACKS, NOBODY
from tests.attacks.trial import trial

SECONDS = float(os.environ.get("ATTACK_SECONDS", "4"))
EACH = int(os.environ.get("ATTACK_EACH", "4"))
"""Of so many attacks one is tried, in the order of the catalogue, which has those of a kind in a row; 1 for all."""

SLOWNESS = float(os.environ.get("ATTACK_SLOWNESS", "1"))
"""How many times slower this machine is than one of two cores that do nothing else."""

P99_SECONDS = 2.0 * SLOWNESS
HEALTH_SECONDS = 10.0 * SLOWNESS


@pytest.mark.timeout(900)
@pytest.mark.parametrize("attack", ATTACKS[::EACH], ids=lambda attack: attack.name)
def test_a_call_goes_on_while_somebody_attacks(attack: Attack, certificate: Path):
    outcome = trial(attack, certificate, SECONDS)
    assert outcome.faults(P99_SECONDS, HEALTH_SECONDS) == []
    assert outcome.done.get("connections") or attack is NOBODY, "nobody attacked"
