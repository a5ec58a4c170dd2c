"""VMs that are not like the others: with a web server of their own before the service, or reached over IPv6 alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.acme import self_signed
from tests.deployment.command import run
from tests.deployment.controller import Controller
from tests.deployment.image import USER
from tests.deployment.network import reaches
from tests.deployment.rig import Rig
from tests.deployment.service import Service
from tests.deployment.vm import VM
from tests.driver import ROOT

PROXIED, SIX = "proxied.example.org", "six.example.org"
LIVE = "/etc/letsencrypt/live"


@contextmanager
def only_over_ipv6(vm: VM) -> Iterator[None]:
    """Let nobody else reach a VM over IPv4; it still reaches the package registries."""
    table = f"ip {vm.network.name}"
    run("nft", f"add chain {table} outside {{ type filter hook output priority 0; }}")
    run("nft", f"add rule {table} outside ip daddr {vm.address} ct state new drop")
    try:
        assert not reaches(vm.address, 22)
        yield
    finally:
        run("nft", f"delete chain {table} outside")


def inventory(folder: Path, controller: Controller, vm: VM, address: str, **variables: Any) -> Path:
    """Write the inventory of one VM, which its name leads to for the operator."""
    controller.name(vm.domain, address)
    usual = controller.variables(vm) | {
        "ansible_host": address,
        "ansible_user": USER,
        "signaling_domain": vm.domain,
        "certbot_email": "admin@example.com",
    }
    usual["signaling_settings"] |= variables.pop("signaling_settings", {})
    path = folder / "hosts.yml"
    path.write_text(json.dumps({"signaling": {"hosts": {vm.domain: usual | variables}}}))
    return path


def documented() -> dict[str, Any]:
    """Return the variables that the role's README has for a proxy on the host."""
    readme = (ROOT / "ansible/roles/signaling/README.md").read_text()
    [block] = re.findall(r"^```yaml\n(signaling_settings:\n  SIGNALING_BIND.+?)^```$", readme, re.MULTILINE | re.DOTALL)
    return dict(yaml.safe_load(block))


def test_behind_the_nginx_of_the_vm(rig: Rig, controller: Controller, tmp_path: Path):
    """Its sites on the ports 80 and 443 stay reachable."""
    with rig.beside(PROXIED) as vm:
        certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
        self_signed(certificate, key, f"DNS:{PROXIED}")
        configuration = (ROOT / "docs/proxies/nginx.conf").read_text().replace("signaling.example.org", PROXIED)
        files = {
            f"{LIVE}/{PROXIED}/fullchain.pem": certificate.read_text(),
            f"{LIVE}/{PROXIED}/privkey.pem": key.read_text(),
            "/etc/nginx/conf.d/signaling.conf": configuration,
        }
        vm.root("apt-get install --quiet --yes --no-install-recommends nginx >/dev/null")
        for path, text in files.items():
            vm.root(f"mkdir -p $(dirname {path}); cat >{path} <<'EOF'\n{text}EOF")
        vm.root("nginx -t; systemctl restart nginx")
        given = documented() | {"signaling_check_url": f"wss://{PROXIED}/", "signaling_check_ca": str(certificate)}
        given["signaling_check_min_days"] = 0
        without = {name: value for name, value in given.items() if name != "firewall_open_ports"}
        hosts = inventory(tmp_path, controller, vm, vm.address, **without)
        play = controller.play("site.yml", hosts)
        assert not play.ok
        assert play.says("nginx listens on 443/tcp, which the firewall would cut off")
        assert play.changed == 0

        hosts = inventory(tmp_path, controller, vm, vm.address, **given)
        play = controller.play("site.yml", hosts)
        assert play.ok, play.output
        assert all(reaches(vm.address, port) for port in (80, 443))
        assert not reaches(vm.address, 8443)
        with Service(PROXIED, vm.address, 443, certificate.read_text()).call() as call:
            assert call.goes_on()
        play = controller.play("check.yml", hosts)
        assert play.ok, play.output


def test_over_ipv6_alone(rig: Rig, controller: Controller, tmp_path: Path):
    """The certificate, the service and the check, for a name that has no IPv4 address."""
    with rig.beside(SIX) as vm:
        rig.acme.lead6(SIX, vm.network.vm6)
        hosts = inventory(tmp_path, controller, vm, vm.network.vm6)
        with only_over_ipv6(vm):
            for playbook in ("site.yml", "check.yml"):
                play = controller.play(playbook, hosts)
                assert play.ok, play.output
        with Service(SIX, vm.network.vm6, 8443, rig.acme.root).call() as call:
            assert call.goes_on()
