"""Each role applied alone: the play that its README begins with, on a bare VM that no other role has been to."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.deployment.acme import self_signed
from tests.deployment.controller import Controller
from tests.deployment.image import USER
from tests.deployment.network import reaches
from tests.deployment.rig import Rig
from tests.deployment.service import TURN_TLS_PORT, Service
from tests.deployment.vm import VM
from tests.driver import ROOT
from tests.waiting import TIMEOUT, wait_until

ROLES = sorted(path.name for path in (ROOT / "ansible/roles").iterdir())

# The name of a certificate and of a folder, if somebody wants it so.
ODD = "my site; touch pwned"
KEY = secrets.token_hex(32)
STRANGERS = "systemd-run --unit=stranger-{0} python3 -m http.server --bind 0.0.0.0 {0}"
BINDING_REQUEST = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"transaction."


def playbooks(controller: Controller) -> Path:
    """Make a folder of playbooks of one's own, beside the one that has group_vars for all roles together."""
    folder = controller.checkout / "plays"
    (folder / "tls").mkdir(parents=True)
    (folder / "roles").symlink_to("../ansible/roles")
    self_signed(folder / "tls/fullchain.pem", folder / "tls/privkey.pem", "DNS:call.example.org")
    return folder


def use(role: str, rig: Rig, controller: Controller, folder: Path) -> None:
    """Apply a role, and prove that it does its work."""
    with rig.beside(f"{role}.example.org") as vm:
        rig.acme.lead("www.example.org", vm.address)
        play = folder / f"{role}.yml"
        readme = (ROOT / f"ansible/roles/{role}/README.md").read_text()
        play.write_text(re.findall(r"^```yaml\n(- hosts: .+?)^```$", readme, re.MULTILINE | re.DOTALL)[0])
        [hosts] = [one["hosts"] for one in yaml.safe_load(play.read_text())]
        variables = controller.variables(vm) | {
            "ansible_host": vm.address,
            "ansible_user": USER,
            "signaling_check_ca": str(folder / "tls/fullchain.pem"),
            "signaling_settings": {"SIGNALING_JWT_KEY": KEY},
            "certbot_cert_name": ODD,
            "certbot_deploy_directory": f"/etc/{ODD}",
        }
        inventory = play.with_suffix(".hosts.yml")
        inventory.write_text(json.dumps({hosts: {"hosts": {vm.domain: variables}}}))
        # That a second play changes nothing, those of site.yml show for all of them.
        done = controller.play(play, inventory)
        assert done.ok, done.output
        assert KEY not in done.output
        _WORKS[role](vm)


def _firewall(vm: VM) -> None:
    vm.root("\n".join(STRANGERS.format(port) for port in (443, 9000)))
    wait_until(lambda: ":9000" in vm.ssh("ss --listening --tcp --numeric"))
    wait_until(lambda: reaches(vm.address, 443))
    assert not reaches(vm.address, 9000)


def _certbot(vm: VM) -> None:
    """What is a name is never run, at the first certificate and at a renewal."""
    live, copies = shlex.quote(f"/etc/letsencrypt/live/{ODD}"), shlex.quote(f"/etc/{ODD}")
    assert "does match" in vm.root(f"openssl x509 -noout -checkhost www.example.org -in {live}/cert.pem")
    first = vm.root(f"sha256sum <{copies}/fullchain.pem")
    vm.root("cd /; certbot renew --force-renewal --no-random-sleep-on-renew")
    second = vm.root(f"sha256sum <{copies}/fullchain.pem")
    assert second != first
    assert vm.root(f"sha256sum <{live}/fullchain.pem") == second
    assert vm.root("find / -xdev -name pwned") == ""


def _coturn(vm: VM) -> None:
    """It answers over UDP, and has no TLS without a certificate."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(TIMEOUT)
        udp.sendto(BINDING_REQUEST, (vm.address, 3478))
        answer = udp.recv(2048)
    assert answer.startswith(b"\x01\x01")
    assert not reaches(vm.address, TURN_TLS_PORT)


def _signaling(vm: VM) -> None:
    """Nobody joins without a token, since its settings have a key."""
    root = "/etc/signaling/tls/fullchain.pem"
    service = Service("call.example.org", vm.address, 8443, vm.root(f"cat {root}"), KEY)
    with service.call() as call:
        assert call.goes_on()
    assert service.ice_servers() == []
    current = vm.ssh("realpath /opt/signaling/current").strip()
    check = f"{current}/venv/bin/python -m signaling.check {service.url} --ca {root} --connect 127.0.0.1"
    vm.root(f"cd {current}/release; {check} --refused; ! {check}")
    holders = vm.root(f"grep --recursive --files-with-matches {KEY} /etc /opt")
    assert holders == f"{current}/settings/10-signaling.env\n"


def _redis(vm: VM) -> None:
    """Its group may use it, for what a server needs; there is no port."""
    ask = "sudo runuser -u {} -- redis-cli -s /run/redis/redis-server.sock {} 2>&1"
    assert vm.ssh(ask.format("redis", "ping")) == "PONG\n"
    assert "Permission denied" in vm.ssh(ask.format("nobody", "ping"), check=False)
    assert "NOPERM" in vm.ssh(ask.format("redis", "config get dir"))
    assert ":6379" not in vm.ssh("ss --listening --tcp --numeric")
    exposure = vm.ssh("systemd-analyze security --no-pager redis-server.service").splitlines()[-1]
    assert float(exposure.split(":")[1].split()[0]) <= 2.0


_WORKS: dict[str, Callable[[VM], None]] = {
    "certbot": _certbot,
    "coturn": _coturn,
    "firewall": _firewall,
    "redis": _redis,
    "signaling": _signaling,
}
