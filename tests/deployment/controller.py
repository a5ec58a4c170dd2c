"""The operator's machine: a checkout of this repository, an inventory, and Ansible."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment.acme import Acme
from tests.deployment.command import run
from tests.deployment.image import USER
from tests.deployment.vm import DOMAIN, VM
from tests.driver import ROOT

PROGRAMS = ROOT / ".venv-ansible/bin"

# The operator's name server knows the domain; here a namespace with its own hosts file does.
_WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


@dataclass(frozen=True)
class Play:
    """How a playbook ended, and what it said."""

    ok: bool
    output: str

    def says(self, text: str) -> bool:
        """Tell if it said this; lines are broken anywhere."""
        return text in " ".join(self.output.split())

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        recap = re.findall(r"changed=(\d+)", self.output)
        assert recap, self.output
        return sum(map(int, recap))


class Controller:
    """Runs the playbooks over SSH, from a repository that new releases can be committed to."""

    def __init__(self, folder: Path, vm: VM, acme: Acme) -> None:
        self._folder = folder
        self.authority = folder / "acme-root.pem"
        self._checkout = folder / "checkout"
        self._copy_tree()
        self._ansible = self._checkout / "ansible"
        self._copy_inventory(vm, acme)
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n::1 localhost\n{vm.address} {DOMAIN}\n")
        self._namespace = ["unshare", "--mount", "sh", "-euc", _WITH_HOSTS, str(hosts)]
        # Connections of its own: the VM of another run has the same name.
        self._connections = folder / "connections"
        self._environ = os.environ | {
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._connections),
        }

    def play(self, playbook: str, **variables: Any) -> Play:
        """Run a playbook; `variables` go before the inventory's."""
        result = subprocess.run(
            [
                *self._namespace,
                *(PROGRAMS / "ansible-playbook", "-i", "inventories/production", playbook),
                *("--extra-vars", json.dumps(variables)),
            ],
            cwd=self._ansible,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Play(result.returncode == 0, result.stdout)

    def commit(self, path: str, old: str, new: str) -> None:
        """Commit a change to a file: what is deployed from now on."""
        file = self._checkout / path
        text = file.read_text()
        assert old in text, f"{path} does not have {old!r}"
        file.write_text(text.replace(old, new))
        self._git("commit", "--quiet", "--all", "--message", path)

    def take_back(self) -> None:
        """Take the last commit back."""
        self._git("reset", "--quiet", "--hard", "HEAD~")

    def hang_up(self) -> None:
        """End the SSH connections that Ansible keeps for its next run."""
        for control in self._connections.glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", DOMAIN], capture_output=True)

    def _git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Operator", "-c", "user.email=operator@example.org")
        run("git", "-C", self._checkout, *who, *arguments)

    def _copy_tree(self) -> None:
        """Commit this tree as it is, with what is not committed yet, to a repository of its own."""
        listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in run("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, *listed).rstrip("\0").split("\0"):
            if (ROOT / name).exists():
                (self._checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self._checkout / name)
        self._git("init", "--quiet")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "The tree as it is")

    def _copy_inventory(self, vm: VM, acme: Acme) -> None:
        """Do what the example tells the operator to do, and name the authority that is used here."""
        inventory = self._ansible / "inventories/production"
        shutil.copytree(self._ansible / "inventories/example", inventory)
        hosts = inventory / "hosts.yml"
        assert "ansible_user: ubuntu" in hosts.read_text()
        hosts.write_text(hosts.read_text().replace("ansible_user: ubuntu", f"ansible_user: {USER}"))
        self.authority.write_text(acme.root)
        own = {
            "ansible_ssh_private_key_file": str(vm.key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={vm.known_hosts}",
            "certbot_acme_url": acme.url,
            "signaling_check_ca": str(self.authority),
            # So that the tests need not wait for long.
            "signaling_settings": {"SIGNALING_TLS_RELOAD_INTERVAL": 1},
            "signaling_watchdog_seconds": 5,
        }
        (inventory / "host_vars").mkdir()
        (inventory / f"host_vars/{DOMAIN}.yml").write_text(json.dumps(own))


@contextmanager
def controller(folder: Path, vm: VM, acme: Acme) -> Iterator[Controller]:
    """The operator's machine, which keeps no connection when it is left."""
    operator = Controller(folder, vm, acme)
    try:
        yield operator
    finally:
        operator.hang_up()
