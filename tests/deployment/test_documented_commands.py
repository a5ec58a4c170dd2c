"""Each command for the host in the documents works as it stands there, for a user without rights but with sudo."""

from __future__ import annotations

import re

import pytest

from tests.deployment.controller import Controller
from tests.deployment.rig import DOMAIN
from tests.deployment.service import Service
from tests.deployment.vm import VM
from tests.driver import ROOT

DOCUMENTS = ("README.md", "docs/deployment.md", "docs/troubleshooting.md", "docs/operations.md")
# test_by_hand.py runs those of the first section; the others are for a host of containers.
ELSEWHERE = ("### By hand, under systemd\n", "## Containers\n")
ELSE = r"curl|openssl s_client|\.venv/bin/python -m signaling\.check"
# Not what stands in the folder of a server that was installed by hand.
HOST = r"sudo(?! \.venv)|systemctl|systemd-analyze|journalctl|ls -ld|cat"
NOT_HERE = {
    # test_recovery.py reboots.
    "sudo systemctl reboot",
    # It changes the packages that the tests after this one find.
    "sudo apt-get update && sudo apt-get upgrade --yes",
    # A word in a sentence about all ways to stop.
    "systemctl stop",
}
# The example inventory has no password for /ops, no Redis and no TURN server.
STATUS = {
    "sudo signaling ops": 78,
    "sudo signaling ops --show-password": 78,
    "systemctl status --no-pager redis-server": 4,
    "systemctl status --no-pager coturn": 4,
}
FOLLOWS = 124


def commands(programs: str) -> list[str]:
    """Return the commands of these programs, in blocks and in sentences."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        for title in ELSEWHERE:
            before, _, rest = text.partition(title)
            text = before + "".join(re.split(r"^(?=#{2,3} )", rest, maxsplit=1, flags=re.MULTILINE)[1:])
        blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        lines = re.findall(rf"^ *((?:{programs}) .*?)(?: +#.*)?$", blocks, re.MULTILINE)
        spans = re.findall(rf"`((?:{programs}) [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        found |= dict.fromkeys([*lines, *spans])
    return [command for command in found if command not in NOT_HERE]


@pytest.mark.parametrize("command", commands(HOST))
def test_a_command_for_the_host_works_as_it_stands(service: Service, vm: VM, command: str):
    follows = command.endswith((" -f", " --follow"))
    line = f"timeout 3 {command}" if follows else command
    if command.startswith("sudo certbot renew"):
        # Without a terminal it would wait for some minutes at first.
        line = f"script --quiet --return --command '{command}' /dev/null"
    status = vm.ssh(f"{line} >/tmp/out 2>&1 </dev/null; echo $?", check=False).strip()
    expected = FOLLOWS if follows else STATUS.get(command, 0)
    assert int(status) == expected, vm.ssh("cat /tmp/out")


@pytest.mark.parametrize("command", [command for command in commands(ELSE) if DOMAIN in command])
def test_a_command_for_any_machine_works_as_it_stands(service: Service, controller: Controller, command: str):
    # The test's own authority signed the certificate, which curl knows from its environment.
    trust = f" --ca {controller.authority}" if "signaling.check" in command else ""
    assert controller.shell(command + trust)


def test_the_service_is_as_well_after_all_of_them(service: Service):
    assert service.domain == DOMAIN
    assert service.lets_meet()
