"""site.yml: from a bare VM to a running server."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from signaling.config import env_file
from tests.deployment.controller import Controller
from tests.deployment.network import reaches
from tests.deployment.rendering import render
from tests.deployment.service import Service
from tests.deployment.test_role_values import SETTINGS, TEXTS
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.unit.config.test_env_file import FILES
from tests.waiting import wait_until

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring.md"

TRACES = "ls -d /opt/signaling /etc/signaling /etc/letsencrypt /usr/sbin/ufw; getent passwd signaling"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"signaling_settings": {"SIGNALING_PING_INTERVALL": 30}}, "SIGNALING_PING_INTERVALL is no setting"),
        (
            {"signaling_settings": {"SIGNALING_PING_INTERVAL": 0}},
            "SIGNALING_PING_INTERVAL must be a number from 0.01",
        ),
        ({"signaling_port": 70_000}, "signaling_port: 70000 is not a whole number from 1 to 65535"),
        ({"certbot_email": ""}, "certbot_email"),
    ],
    ids=["no setting", "setting out of range", "no port", "no email"],
)
def test_a_wrong_variable_stops_the_play_before_anything_is_touched(
    controller: Controller, vm: VM, variables: dict[str, Any], message: str
):
    play = controller.play("site.yml", **variables)
    assert not play.ok
    assert play.says(message)
    assert vm.ssh(TRACES, check=False) == ""


def test_systemd_reads_a_setting_as_it_was_set(vm: VM, tmp_path: Path):
    [outcome] = render(tmp_path, [SETTINGS])
    text = base64.b64encode(outcome.files["signaling.env"].encode()).decode()
    vm.root(f"echo {text} | base64 -d >/root/odd.env")
    run = "systemd-run --quiet --wait --pipe --property=EnvironmentFile=/root/odd.env env -0"
    shown = base64.b64decode(vm.root(f"{run} | base64; rm /root/odd.env")).decode()
    found = dict(line.split("=", 1) for line in shown.split("\0") if line)
    assert {name: found.get(name) for name in TEXTS} == TEXTS


def test_our_reader_of_settings_and_systemd_agree(vm: VM, tmp_path: Path):
    [outcome] = render(tmp_path, [SETTINGS])
    assert TEXTS.items() <= env_file.parse(outcome.files["signaling.env"]).items()
    run = "systemd-run --quiet --wait --pipe --property=EnvironmentFile=/root/odd.env env -0"
    for name, (text, variables) in FILES.items():
        file = base64.b64encode(text.encode()).decode()
        shown = vm.root(f"echo {file} | base64 -d >/root/odd.env; {run} | base64; rm /root/odd.env")
        found = dict(line.split("=", 1) for line in base64.b64decode(shown).decode().split("\0") if line)
        assert {key: found[key] for key in found if len(key) == 1 and key != "_"} == variables, name


def test_a_second_play_changes_nothing(service: Service, controller: Controller):
    assert service.health()["status"] == "ok"
    play = controller.play("site.yml")
    assert play.ok, play.output
    assert play.changed == 0, play.output


def test_the_service_is_not_root_and_has_no_more_rights_than_it_needs(service: Service, vm: VM, unit: Unit):
    owners = vm.ssh(f"stat --format=%U /proc/{unit.master} /proc/{unit.worker}")
    assert owners == "signaling\nsignaling\n"
    assessment = vm.ssh("systemd-analyze security --no-pager signaling.service").splitlines()[-1]
    exposure = float(assessment.split(":")[1].split()[0])
    assert exposure <= 2.5, assessment


def test_what_it_needs_is_open_and_nothing_else(service: Service, vm: VM):
    vm.ssh("sudo systemd-run --unit=stranger python3 -m http.server --bind :: 9000")
    wait_until(lambda: ":9000" in vm.ssh("ss --listening --tcp --numeric"))
    for address in (vm.network.vm, vm.network.vm6):
        wait_until(lambda there=address: reaches(there, service.port))
        assert not reaches(address, 9000)
    vm.root("ufw allow 9000/tcp")
    wait_until(lambda: reaches(vm.network.vm, 9000))
    vm.root("ufw delete allow 9000/tcp; systemctl stop stranger")


def test_the_log_is_in_a_journal_of_its_own(service: Service, unit: Unit):
    assert any("Listening at" in line for line in unit.log)


def test_the_journal_has_the_priority_of_each_line_and_one_line_for_each_call(service: Service, vm: VM, unit: Unit):
    assert not any(re.match(r"<\d>", line) for line in unit.log)
    assert not any("Client connected" in line for line in unit.log)
    # The play has held a call.
    assert any("ended call=" in line for line in unit.log)
    vm.root("printf 'GET / HTTP/9\\r\\n\\r\\n' | openssl s_client -quiet -connect localhost:8443 || true")
    worse = "sudo journalctl --namespace=signaling -u signaling -p warning -o cat --no-pager"
    wait_until(lambda: "Invalid request from" in vm.ssh(worse))
    assert "Listening at" not in vm.ssh(worse)
    assert "Listening at" in vm.ssh("sudo journalctl --namespace=signaling -t signaling -p info -o cat --no-pager")


COMMANDS = re.findall(r"^### (Signaling\w+)\n.+?```sh\n(.+?)\n```", MONITORING.read_text(), re.MULTILINE | re.DOTALL)


def test_the_first_command_for_each_alert_works_as_it_is_written(service: Service, vm: VM):
    assert len(COMMANDS) > 10
    # Each server has it; this image is smaller.
    vm.root("command -v top || apt-get install --yes --no-install-recommends procps")
    for name, command in COMMANDS:
        shown = vm.ssh(command)
        assert shown or name == "SignalingFull", command
