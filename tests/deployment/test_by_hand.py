"""The server under systemd without Ansible, by the commands of docs/deployment.md as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.deployment.controller import Controller
from tests.deployment.rig import Rig
from tests.deployment.service import Service
from tests.deployment.vm import VM
from tests.driver import ROOT

DEPLOYMENT = (ROOT / "docs/deployment.md").read_text()
DOMAIN = "hand.example.org"
TITLE = "### By hand, under systemd\n"
OLD, NEW = "0.1.0", "0.2.0"


def blocks() -> list[list[str]]:
    """Return the commands of the section: for the host, for a release, for the service, and for the way back."""
    section = DEPLOYMENT.partition(TITLE)[2].partition("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


@pytest.fixture(scope="module")
def hand(rig: Rig, controller: Controller) -> Iterator[VM]:
    with rig.beside(DOMAIN) as vm:
        vm.bring(controller.checkout, "server")
        vm.root(f"cat >/root/acme-root.pem <<END\n{rig.acme.root}\nEND")
        yield vm


def follow(vm: VM, commands: list[str], acme_url: str = "", release: str = OLD) -> None:
    for command in commands:
        line = command.replace("call.example.org", DOMAIN).replace(OLD, release)
        if "certbot certonly" in line:
            # It would ask for these.
            line += f" --server {acme_url} --non-interactive --agree-tos --email admin@example.org"
        vm.ssh(f"cd server && {line}")


def test_the_commands_make_a_service_that_is_upgraded_and_goes_back(rig: Rig, hand: VM):
    prepare, release, install, go_back = blocks()
    assert len(install) == 5
    follow(hand, prepare, rig.acme.url)
    follow(hand, release)
    follow(hand, install)
    service = Service(DOMAIN, hand.address, 8443, rig.acme.root)
    assert service.lets_meet()
    hand.ssh("sudo signaling --ca /root/acme-root.pem check")
    assert "settings  as in the files\n" in hand.ssh("sudo signaling status")
    [status] = re.findall(r"^(sudo .venv/bin/python -m signaling.status .*)$", DEPLOYMENT, re.MULTILINE)
    assert "settings  as in the files\n" in hand.ssh(f"cd /opt/signaling/current && {status}")
    exposure = hand.ssh("systemd-analyze security signaling.service --no-pager")
    assert float(re.findall(r"exposure level for signaling.service: ([\d.]+)", exposure)[0]) < 2

    with service.call() as call:
        follow(hand, release, release=NEW)
        follow(hand, ["sudo systemctl restart signaling"])
        assert call.close_codes() == [1012, 1012]
    assert hand.ssh("sudo readlink -f /proc/$(systemctl show -P MainPID signaling)/cwd").strip().endswith(NEW)
    assert service.lets_meet()

    follow(hand, go_back)
    assert hand.ssh("sudo readlink -f /proc/$(systemctl show -P MainPID signaling)/cwd").strip().endswith(OLD)
    assert service.lets_meet()


def test_the_hook_for_containers_copies_the_certificate_for_their_user(hand: VM):
    [change] = re.findall(r'^ *(sudo sed -i "s\|\^directory=.*)$', DEPLOYMENT, re.MULTILINE)
    hook = "/etc/letsencrypt/renewal-hooks/deploy/signaling"
    hand.ssh(f"cd server && mkdir -p tls && {change}")
    hand.ssh(f"sudo {hook}")
    shown = hand.ssh("stat -c '%u %g %a' server/tls/fullchain.pem server/tls/privkey.pem")
    assert shown == 2 * "10001 10001 640\n"
