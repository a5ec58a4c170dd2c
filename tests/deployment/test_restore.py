"""A VM is lost: a new one takes its place, with the certificate of the backup, as docs/operations.md says."""

from __future__ import annotations

import re

from tests.deployment.controller import PRODUCTION, Controller
from tests.deployment.rig import DOMAIN, Rig
from tests.deployment.service import Service
from tests.deployment.vm import VM
from tests.driver import ROOT


def test_a_new_vm_takes_the_place_of_a_lost_one(service: Service, rig: Rig, vm: VM, controller: Controller):
    text = (ROOT / "docs/operations.md").read_text()
    [save, restore] = re.findall(r"ssh admin@call\.example\.org sudo (tar -C / -[cx]z[^<>`]*)", text)
    backup = vm.root(f"{save} | base64 -w0")
    serial = service.certificate().serial_number
    with rig.beside(DOMAIN) as new:
        controller.move(PRODUCTION, new)
        try:
            new.root(f"echo {backup} | base64 -d | {restore}")
            for playbook in ("site.yml", "check.yml"):
                play = controller.play(playbook)
                assert play.ok, play.output
            restored = Service(DOMAIN, new.address, service.port, rig.acme.root)
            assert restored.certificate().serial_number == serial
            assert restored.lets_meet()
        finally:
            controller.move(PRODUCTION, vm)
    assert service.lets_meet()
