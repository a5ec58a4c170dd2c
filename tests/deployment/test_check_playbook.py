"""check.yml: whether all is well."""

from __future__ import annotations

from tests.deployment.controller import Controller
from tests.deployment.service import Service
from tests.deployment.vm import VM


def test_all_is_well(service: Service, controller: Controller):
    play = controller.play("check.yml")
    assert play.ok, play.output
    assert play.changed == 0
    assert play.says("two users met")
    assert play.says("the certificate is valid for 89 days more")
    for words in ("certbot.timer is active and enabled", "ufw is on", "MB free"):
        assert play.says(words)


def test_what_else_can_be_wrong(service: Service, controller: Controller, vm: VM):
    """Each is one line that says what to do."""
    play = controller.play("check.yml", signaling_check_min_disk_mb=10**9)
    assert not play.ok
    assert play.says("signaling_check_min_disk_mb is 1000000000; make room")
    vm.root("systemctl stop certbot.timer")
    play = controller.play("check.yml")
    vm.root("systemctl start certbot.timer; ufw disable")
    assert not play.ok
    assert play.says("certbot.timer is inactive and enabled")
    play = controller.play("check.yml")
    vm.root("ufw --force enable")
    assert not play.ok
    assert play.says("ufw is not on")


def test_a_certificate_that_ends_soon(service: Service, controller: Controller):
    play = controller.play("check.yml", signaling_check_min_days=100)
    assert not play.ok
    assert play.says("is valid for 89 days more")


def test_a_service_that_is_stopped(service: Service, controller: Controller, vm: VM):
    vm.root("systemctl stop signaling.service")
    play = controller.play("check.yml")
    vm.root("systemctl start signaling.service")
    assert not play.ok
    assert play.says("signaling.service")
