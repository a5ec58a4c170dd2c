"""A port below 1024, with the one right that this takes."""

from __future__ import annotations

import pytest

from tests.deployment.controller import Controller
from tests.deployment.network import reaches
from tests.deployment.rig import Rig
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM

pytestmark = pytest.mark.timeout(600)

CAP_NET_BIND_SERVICE = 1 << 10


def test_the_port_of_https(service: Service, rig: Rig, controller: Controller, unit: Unit, vm: VM):
    play = controller.play("site.yml", signaling_port=443)
    assert play.ok, play.output
    with rig.service(port=443).call() as call:
        assert call.goes_on()
    assert not reaches(service.address, service.port)
    status = dict(line.split(":\t") for line in vm.ssh(f"sudo cat /proc/{unit.worker}/status").splitlines())
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == CAP_NET_BIND_SERVICE
    assert "0" not in status["Uid"].split()
