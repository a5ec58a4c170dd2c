"""Whatever ends the service, it comes back by itself."""

from __future__ import annotations

from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.waiting import wait_until

LOST = [None, None]  # no close frame: the TCP connection ended


def comes_back(service: Service) -> bool:
    wait_until(service.health, 60)
    with service.call() as call:
        return call.goes_on()


def test_a_killed_worker(service: Service, unit: Unit, vm: VM):
    master = unit.master
    with service.call() as call:
        vm.root(f"kill -KILL {unit.worker}")
        assert call.close_codes() == LOST
    assert comes_back(service)
    assert unit.master == master


def test_a_killed_master(service: Service, unit: Unit, vm: VM):
    master = unit.master
    with service.call() as call:
        vm.root(f"kill -KILL {master}")
        assert call.close_codes() == LOST
    assert comes_back(service)
    assert unit.master != master


def test_a_worker_that_stands_still(service: Service, unit: Unit, vm: VM):
    since = len(unit.journal)
    with service.call() as call:
        vm.root(f"kill -STOP {unit.worker}")
        assert call.close_codes() == LOST
    assert comes_back(service)
    assert any("Watchdog timeout" in line for line in unit.journal[since:])


def test_a_reboot(service: Service, unit: Unit, vm: VM):
    boot = vm.ssh("cat /proc/sys/kernel/random/boot_id")
    vm.reboot()
    assert vm.ssh("cat /proc/sys/kernel/random/boot_id") != boot
    assert comes_back(service)
    assert vm.ssh("systemctl is-enabled certbot.timer; sudo ufw status | head -n 1") == "enabled\nStatus: active\n"


def test_a_wrong_setting_is_said_and_not_tried_again(service: Service, unit: Unit, vm: VM):
    vm.root("echo SIGNALING_PING_INTERVAL=soon >/opt/signaling/current/settings/99-wrong.env")
    vm.ssh("sudo systemctl restart signaling.service", check=False)
    assert (unit.show("ActiveState"), unit.show("ExecMainStatus"), unit.show("NRestarts")) == ("failed", "78", "0")
    assert "SIGNALING_PING_INTERVAL: 'soon' is not usable" in unit.log[-1]
    vm.root("rm /opt/signaling/current/settings/99-wrong.env; systemctl restart signaling.service")
    assert comes_back(service)
