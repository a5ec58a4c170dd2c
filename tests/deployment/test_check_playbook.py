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
