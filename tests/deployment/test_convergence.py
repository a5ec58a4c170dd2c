"""The process is what the files say, the files are what the inventory says, and a play that stops midway breaks neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deployment.controller import Controller
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM

ROOT = "/opt/signaling"
PING = "SIGNALING_PING_INTERVAL"


def settings(**more: Any) -> dict[str, Any]:
    """Return the variable with the settings of the inventory, and more."""
    return {"signaling_settings": {"SIGNALING_TLS_RELOAD_INTERVAL": 1, **more}}


@pytest.fixture
def as_it_was(service: Service, controller: Controller, unit: Unit) -> Iterator[None]:
    """The inventory's own settings again, and the release that was there."""
    release = unit.deployment.rpartition("-")[0]
    yield
    play = controller.play("site.yml", signaling_ref=release.rpartition("-")[2])
    assert play.ok, play.output
    assert unit.deployment.startswith(release)


@pytest.mark.parametrize(
    "task",
    [
        "Write the settings",
        "Give it its name",
        "Forget how often the service failed",
        "Run it, now and at every boot",
        "Wait until the service is healthy",
        "Note that this one is good",
        "Remove the oldest, and what no deployment uses any more",
    ],
)
def test_a_change_of_a_setting_that_was_killed_is_completed_by_the_next_play(
    service: Service, controller: Controller, unit: Unit, request: pytest.FixtureRequest, task: str
):
    number = 20 + request.node.callspec.indices["task"]
    running = controller.start("site.yml", **settings(**{PING: number}))
    running.reaches(task)
    running.kill()
    assert service.lets_meet()
    play = controller.play("site.yml", **settings(**{PING: number}))
    assert play.ok, play.output
    assert unit.deployment
    assert unit.environ[PING] == str(number)
    again = controller.play("site.yml", **settings(**{PING: number}))
    assert (again.ok, again.changed) == (True, 0), again.output
