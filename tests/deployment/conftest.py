"""One VM lives through all the tests, in the order of their files: bare at first, then deployed to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.deployment.controller import Controller
from tests.deployment.rig import Rig, rig
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.left_out import leave_out

# The Debian releases to test on, such as SUITES="trixie bookworm".
SUITES = os.environ.get("SUITES", "trixie").split()

NO_ROOT = "The deployment is not tested: booting a VM takes root."


@pytest.fixture(name="rig", scope="session", params=SUITES)
def _rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    if os.geteuid() != 0:
        leave_out(NO_ROOT)
    with rig(request.param) as ready:
        yield ready


@pytest.fixture(scope="session")
def vm(rig: Rig) -> VM:
    return rig.vm


@pytest.fixture(scope="session")
def controller(rig: Rig) -> Controller:
    return rig.controller


@pytest.fixture(scope="session")
def service(rig: Rig, controller: Controller) -> Service:
    """The service, deployed by site.yml."""
    play = controller.play("site.yml")
    assert play.ok, play.output
    return rig.service()


@pytest.fixture(scope="session")
def unit(service: Service, vm: VM) -> Unit:
    return Unit(vm)
