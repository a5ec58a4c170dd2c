"""Each role is usable alone."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.deployment.roles import ROLES


@pytest.mark.parametrize("role", ROLES)
def test_it_does_its_work_alone(alone: dict[str, Future[None]], role: str):
    alone[role].result()
