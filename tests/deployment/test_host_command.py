"""The command `signaling` on the host, as the documents say it, and for users with more and fewer rights."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from signaling.version import __version__
from tests.deployment.rig import DOMAIN
from tests.deployment.service import Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.driver import ROOT
from tests.waiting import wait_until

# More starts within a minute than a service that fails may have.
RESTART = "systemctl reset-failed signaling.service; systemctl restart signaling.service"
# Behind the one that names the release.
FILE = "/opt/signaling/current/settings/99-test.env"
MET = f"wss://{DOMAIN}:8443/ at localhost: two users met"


def commands(document: str) -> list[str]:
    """The commands `signaling` in the blocks of a document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / document).read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("sudo signaling ")]


def run(vm: VM, command: str, folder: str = "/tmp") -> tuple[int, str, str]:
    """The exit status of a command, and what it printed and said."""
    script = f"cd {folder}; {command} >/tmp/out 2>/tmp/err; echo $?"
    status = int(vm.ssh(script))
    return status, vm.ssh("cat /tmp/out"), vm.ssh("cat /tmp/err")


@pytest.fixture
def settings(service: Service, vm: VM) -> Iterator[Callable[..., None]]:
    """Write more settings for the service to a file of one's own, and restart it if asked to."""

    def write(*lines: str, restart: bool = True) -> None:
        text = base64.b64encode("".join(f"{line}\n" for line in lines).encode()).decode()
        vm.root(f"echo {text} | base64 -d >{FILE}")
        if restart:
            vm.root(RESTART)

    try:
        yield write
    finally:
        vm.root(f"rm -f {FILE}; {RESTART}")
        wait_until(service.health)


@contextmanager
def somebody(vm: VM) -> Iterator[str]:
    """A user without rights."""
    vm.root("useradd --create-home bob")
    try:
        yield "sudo -u bob env -C /home/bob"
    finally:
        vm.root("userdel --remove bob")


def test_the_commands_of_the_documents_work_in_any_folder(service: Service, vm: VM):
    found = commands("troubleshooting.md")
    assert len(found) == 3
    # Root must not run a module that lies there.
    vm.root("mkdir -p /tmp/mine/signaling; echo 1/0 | tee /tmp/mine/json.py /tmp/mine/signaling/__init__.py")
    for command in found:
        for folder in ("/", "/tmp/mine"):
            status, _, said = run(vm, command, folder)
            assert (status, said) == (0, ""), command


def test_a_check_holds_a_call_under_the_name_that_clients_use(service: Service, vm: VM):
    status, printed, said = run(vm, "sudo signaling check")
    assert (status, said) == (0, "")
    assert printed.startswith(MET)


def test_a_user_whose_sudo_asks_for_no_password_need_not_type_it(service: Service, vm: VM):
    for command in ("signaling check", "signaling status", "signaling logs -n 1"):
        status, _, said = run(vm, command)
        assert (status, said) == (0, ""), command
    assert json.loads(run(vm, "signaling status --json")[1])["ok"]


def test_a_user_without_rights_is_told_what_to_type(service: Service, vm: VM):
    with somebody(vm) as as_bob:
        for command in ("check", "status --json", "logs -f", "ops --show-password"):
            status, printed, said = run(vm, f"{as_bob} signaling {command}")
            assert (status, printed) == (77, "")
            assert said == f"signaling {command.split()[0]} needs the rights of root. Type: sudo signaling {command}\n"
        # Everybody may know what runs, and how a secret is replaced.
        state = json.loads(vm.ssh(f"{as_bob} cat /run/signaling/state.json"))
        assert state["version"] == __version__
        assert vm.ssh(f"{as_bob} signaling rotate jwt").endswith(" rotate.yml -e secret=jwt\n")
        status, _, said = run(vm, f"{as_bob} signaling")
        assert status == 2
        assert said.startswith("usage: signaling ")


def test_a_process_with_old_settings_is_seen(vm: VM, unit: Unit, settings: Callable[..., None]):
    settings("SIGNALING_PING_INTERVAL=20", restart=False)
    status, printed, said = run(vm, "sudo signaling status")
    assert (status, said) == (1, "")
    assert "settings  other ones than in the files" in printed
    assert "The process has other settings than the files: restart it to use them" in printed
    settings("SIGNALING_PING_INTERVAL=20", r'SIGNALING_RELEASE="2024-06-01 \$x"', "SIGNALING_PING_INTERVALL=1")
    status, printed, said = run(vm, "sudo signaling status")
    assert (status, said) == (0, "")
    assert "settings  as in the files" in printed
    assert "release   2024-06-01 $x" in printed
    assert f"process   {unit.master}, since " in printed
    assert "unknown   SIGNALING_PING_INTERVALL: did you mean SIGNALING_PING_INTERVAL?" in printed


def test_a_service_that_does_not_run_is_seen(service: Service, vm: VM):
    vm.root("systemctl stop signaling.service")
    try:
        status, printed, said = run(vm, "sudo signaling status")
        assert (status, said) == (1, "")
        assert "the service does not run" in printed
        status, printed, said = run(vm, "sudo signaling check")
        assert (status, printed) == (1, "")
        assert said.startswith(f"wss://{DOMAIN}:8443/ at localhost: ")
    finally:
        vm.root(RESTART)
        wait_until(service.health)


def test_a_misspelled_key_ends_the_start_and_is_seen_before(vm: VM, unit: Unit, settings: Callable[..., None]):
    settings("SIGNALING_JWT_KEYS=secret", restart=False)
    status, printed, _ = run(vm, "sudo signaling status")
    assert status == 1
    assert "would not start with the settings in the files: SIGNALING_JWT_KEYS is not a setting" in printed
    vm.ssh(f"sudo sh -c '{RESTART}'", check=False)
    assert (unit.show("ActiveState"), unit.show("ExecMainStatus"), unit.show("NRestarts")) == ("failed", "78", "0")
    assert "SIGNALING_JWT_KEYS is not a setting; write SIGNALING_JWT_KEY" in vm.ssh("sudo signaling logs -n 20")


def test_a_check_has_tokens_of_its_own(vm: VM, service: Service, settings: Callable[..., None]):
    settings(f"SIGNALING_JWT_KEY={secrets.token_hex(32)}", "SIGNALING_ALLOW_MISSING_ORIGIN=false")
    wait_until(service.health)
    status, printed, said = run(vm, "sudo signaling check")
    assert (status, said) == (0, "")
    assert printed.startswith(MET)


def test_the_password_of_the_operator_is_shown_on_demand_alone(vm: VM, settings: Callable[..., None]):
    password = secrets.token_hex(16)
    settings(f"SIGNALING_OPS_TOKEN={password}")
    printed = vm.ssh("sudo signaling ops")
    assert printed.startswith(f"https://{DOMAIN}:8443/ops\n")
    assert password not in printed
    assert password in vm.ssh("sudo signaling ops --show-password")


def test_the_log_has_what_systemd_says_and_can_be_followed(service: Service, vm: VM):
    log = vm.ssh("sudo signaling logs --no-pager --output=cat")
    assert "Listening at" in log
    assert "Started signaling.service" in log
    assert "Listening at" not in vm.ssh("sudo signaling logs --no-pager -p warning")
    script = "signaling logs -f -n 1 >/tmp/followed & until [ -s /tmp/followed ]; do sleep 0.1; done; kill $!"
    vm.root(script)


def test_an_older_release_is_one_line(vm: VM, unit: Unit):
    code = unit.show("WorkingDirectory")
    vm.root(f"mv {code}/signaling/host {code}/signaling/elsewhere")
    try:
        status, printed, said = run(vm, "sudo signaling status")
    finally:
        vm.root(f"mv {code}/signaling/elsewhere {code}/signaling/host")
    assert (status, printed) == (69, "")
    assert said.startswith("The release that runs is older than this command: /opt/signaling/releases/")


def test_without_the_service_it_is_one_line(service: Service, vm: VM):
    unit = "/etc/systemd/system/signaling.service"
    vm.root(f"mv {unit} /root; systemctl daemon-reload")
    try:
        status, printed, said = run(vm, "signaling rotate jwt")
    finally:
        vm.root(f"mv /root/signaling.service {unit}; systemctl daemon-reload")
    assert (status, printed, said) == (69, "", "There is no signaling.service on this host.\n")
