"""One VM lives through all the tests, in the order of `ORDER`: bare at first, then deployed to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deployment.controller import Controller
from tests.deployment.rig import OPTIONS, Rig, rig
from tests.deployment.roles import ROLES, playbooks, use
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.left_out import leave_out
from tests.waiting import TEST_TIMEOUT

# The Debian releases to test on, such as SUITES="trixie bookworm".
SUITES = os.environ.get("SUITES", "trixie").split()

# The tests share VMs, and each file finds them as the one before it left them.
ORDER = (
    "test_role_values",
    "test_preflight",
    "test_first_deployment",
    "test_certificate_renewal",
    "test_recovery",
    "test_host_command",
    "test_check_playbook",
    "test_documented_commands",
    "test_restore",
    "test_by_hand",
    "test_convergence",
    "test_turn_and_redis",
    "test_other_vms",
    "test_each_role_alone",
    "test_two_servers",
)

NO_ROOT = "The deployment is not tested: booting a VM takes root."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of this folder in order, and give them the time that a first deployment takes."""
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in ours:
        item.add_marker(pytest.mark.timeout(2 * TEST_TIMEOUT))
    in_order = iter(sorted(ours, key=lambda item: ORDER.index(item.path.stem)))
    items[:] = [next(in_order) if item in ours else item for item in items]


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
def turn(service: Service, rig: Rig, controller: Controller) -> Service:
    """The service with a TURN server and a Redis beside it, until there are more VMs."""
    play = controller.play("site.yml", **OPTIONS)
    assert play.ok, play.output
    return rig.service(port=443)


@pytest.fixture(autouse=True)
def _meanwhile(request: pytest.FixtureRequest) -> None:
    """Begin at the first test with a VM what a later one waits for."""
    if "rig" in request.fixturenames and any("alone" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("alone")


@pytest.fixture(scope="session")
def alone(rig: Rig, controller: Controller) -> Iterator[dict[str, Future[None]]]:
    """Each role alone on a VM of its own, one after the other, while this machine's other core is idle."""
    folder = playbooks(controller)
    threads = ThreadPoolExecutor(max_workers=1)
    try:
        yield {role: threads.submit(use, role, rig, controller, folder) for role in ROLES}
    finally:
        threads.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def unit(service: Service, vm: VM) -> Unit:
    return Unit(vm)
