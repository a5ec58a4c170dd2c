"""Each role is usable alone: the play that its README begins with, on a bare VM that no other role has been to."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deployment.acme import self_signed
from tests.deployment.command import wait_until
from tests.deployment.controller import Controller, Play
from tests.deployment.network import reaches
from tests.deployment.rig import Rig
from tests.deployment.service import Service
from tests.deployment.vm import VM
from tests.driver import ROOT

pytestmark = pytest.mark.timeout(900)

ROLES = sorted(path.name for path in (ROOT / "ansible/roles").iterdir())
STRANGERS = "systemd-run --unit=stranger-{0} python3 -m http.server --bind 0.0.0.0 {0}"
BINDING_REQUEST = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"transaction."


@dataclass(frozen=True)
class Alone:
    """A VM that one role was applied to, and what the two plays said."""

    vm: VM
    first: Play
    second: Play


@pytest.fixture(scope="module")
def folder(controller: Controller) -> Path:
    """A folder of playbooks of one's own, beside the one that has group_vars for all roles together."""
    folder = controller.checkout / "plays"
    (folder / "tls").mkdir(parents=True)
    (folder / "roles").symlink_to("../ansible/roles")
    self_signed(folder / "tls/fullchain.pem", folder / "tls/privkey.pem", "DNS:call.example.org")
    return folder


@pytest.fixture(scope="module")
def alone(rig: Rig, controller: Controller, folder: Path) -> Iterator[dict[str, Alone]]:
    """All of them at the same time, since most of it is to wait for packages."""
    with ExitStack() as vms, ThreadPoolExecutor() as threads:
        machines = {role: vms.enter_context(rig.beside(f"{role}.example.org")) for role in ROLES}
        rig.acme.lead("www.example.org", machines["certbot"].address)

        def apply(role: str) -> Alone:
            play = folder / f"{role}.yml"
            readme = (ROOT / f"ansible/roles/{role}/README.md").read_text()
            play.write_text(re.findall(r"^```yaml\n(- hosts: .+?)^```$", readme, re.MULTILINE | re.DOTALL)[0])
            [hosts] = [one["hosts"] for one in yaml.safe_load(play.read_text())]
            variables = controller.variables(machines[role]) | {
                "ansible_host": machines[role].address,
                "ansible_user": "admin",
                "signaling_check_ca": str(folder / "tls/fullchain.pem"),
            }
            inventory = play.with_suffix(".hosts.yml")
            inventory.write_text(json.dumps({hosts: {"hosts": {machines[role].domain: variables}}}))
            return Alone(machines[role], *(controller.play(play, inventory) for _ in range(2)))

        yield dict(zip(ROLES, threads.map(apply, ROLES), strict=True))


@pytest.mark.parametrize("role", ROLES)
def test_it_does_its_work_and_a_second_play_changes_nothing(alone: dict[str, Alone], role: str):
    assert alone[role].first.ok, alone[role].first.output
    assert alone[role].second.ok, alone[role].second.output
    assert alone[role].second.changed == 0, alone[role].second.output
    assert WORKS[role](alone[role].vm)


def firewall_works(vm: VM) -> bool:
    vm.root("\n".join(STRANGERS.format(port) for port in (443, 9000)))
    wait_until(lambda: ":9000" in vm.ssh("ss --listening --tcp --numeric"))
    wait_until(lambda: reaches(vm.address, 443))
    return not reaches(vm.address, 9000)


def certbot_works(vm: VM) -> bool:
    certificate = "/etc/letsencrypt/live/signaling/cert.pem"
    return "does match" in vm.root(f"openssl x509 -noout -checkhost www.example.org -in {certificate}")


def coturn_works(vm: VM) -> bool:
    """It answers over UDP, and has no TLS without a certificate."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(20)
        udp.sendto(BINDING_REQUEST, (vm.address, 3478))
        answer = udp.recv(2048)
    return answer.startswith(b"\x01\x01") and not reaches(vm.address, 5349)


def signaling_works(vm: VM) -> bool:
    root = vm.root("cat /etc/signaling/tls/fullchain.pem")
    with Service("call.example.org", vm.address, 8443, root).call() as call:
        return call.goes_on()


def redis_works(vm: VM) -> bool:
    """Its group may use it, for what a server needs; there is no port."""
    ask = "sudo runuser -u {} -- redis-cli -s /run/redis/redis-server.sock {} 2>&1"
    assert vm.ssh(ask.format("redis", "ping")) == "PONG\n"
    assert "Permission denied" in vm.ssh(ask.format("nobody", "ping"), check=False)
    assert "NOPERM" in vm.ssh(ask.format("redis", "config get dir"))
    assert ":6379" not in vm.ssh("ss --listening --tcp --numeric")
    exposure = vm.ssh("systemd-analyze security --no-pager redis-server.service").splitlines()[-1]
    return float(exposure.split(":")[1].split()[0]) <= 2.0


WORKS: dict[str, Callable[[VM], bool]] = {
    "certbot": certbot_works,
    "coturn": coturn_works,
    "firewall": firewall_works,
    "redis": redis_works,
    "signaling": signaling_works,
}
