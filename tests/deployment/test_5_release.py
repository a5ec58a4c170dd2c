"""A new release and the way back."""

from __future__ import annotations

import pytest

from signaling import __version__
from tests.deployment.controller import Controller
from tests.deployment.service import Service

pytestmark = pytest.mark.timeout(600)


def test_an_upgrade_tells_the_users_and_runs_the_new_release(service: Service, controller: Controller):
    controller.commit("signaling/__init__.py", f'__version__ = "{__version__}"', '__version__ = "77.0.0"')
    with service.call() as call:
        play = controller.play("upgrade.yml")
        assert play.ok, play.output
        assert call.close_codes() == [1012, 1012]
    assert service.health()["version"] == "77.0.0"


def test_a_rollback(service: Service, controller: Controller):
    play = controller.play("rollback.yml")
    assert play.ok, play.output
    assert service.health()["version"] == __version__
    with service.call() as call:
        assert call.goes_on()
