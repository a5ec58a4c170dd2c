"""The operator's machine: a checkout of this repository, an inventory, and Ansible."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployment.acme import Acme
from tests.deployment.command import run
from tests.deployment.image import USER
from tests.deployment.vm import VM
from tests.driver import ROOT

PROGRAMS = ROOT / ".venv-ansible/bin"
PRODUCTION = "inventories/production"

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


class RunningPlay:
    """A playbook that is at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said: list[str] = []

    def reaches(self, task: str) -> None:
        """Wait until a task begins."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if line.startswith("TASK [") and f"{task}] " in line:
                return
        raise AssertionError(f"there was no task {task!r}:\n{''.join(self._said)}")

    def pause(self) -> None:
        """Let it stand still: it is there, and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as the loss of the operator's machine does. What it started on a host goes on."""
        self._process.kill()
        self._process.communicate()

    def wait(self) -> Play:
        """Wait for its end."""
        rest, _ = self._process.communicate()
        return Play(self._process.returncode == 0, "".join([*self._said, rest]))


class Controller:
    """Runs the playbooks over SSH, from a repository that new releases can be committed to."""

    def __init__(self, folder: Path, acme: Acme) -> None:
        self._folder = folder
        self._acme = acme
        self.authority = folder / "acme-root.pem"
        self.authority.write_text(acme.root)
        self.checkout = folder / "checkout"
        self._copy_tree()
        self._ansible = self.checkout / "ansible"
        self._hosts = folder / "hosts"
        self._hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
        self._namespace = ["unshare", "--mount", "sh", "-euc", _WITH_HOSTS, str(self._hosts)]
        # Connections of its own: the VM of another run has the same name.
        self._connections = folder / "connections"
        self._environ = os.environ | {
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._connections),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "vault-password"),
        }
        (folder / "vault-password").write_text(secrets.token_hex())

    def play(self, playbook: str | Path, inventory: str | Path = PRODUCTION, *options: str, **variables: Any) -> Play:
        """Run a playbook; `variables` go before the inventory's."""
        return self.start(playbook, inventory, *options, **variables).wait()

    def start(
        self, playbook: str | Path, inventory: str | Path = PRODUCTION, *options: str, **variables: Any
    ) -> RunningPlay:
        """Begin to run a playbook."""
        command = [
            *self._namespace,
            *(PROGRAMS / "ansible-playbook", "-i", inventory, playbook),
            *("--extra-vars", json.dumps(variables), *options),
        ]
        return RunningPlay(
            subprocess.Popen(
                command,
                cwd=self._ansible,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def shell(self, command: str) -> str:
        """Run a command on the operator's machine, in the folder of the server, and return what it says."""
        result = subprocess.run(
            [*self._namespace, "sh", "-euc", command],
            cwd=ROOT,
            env=self._environ | {"CURL_CA_BUNDLE": str(self.authority)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def commit(self, path: str, old: str, new: str) -> None:
        """Commit a change to a file: what is deployed from now on."""
        file = self.checkout / path
        text = file.read_text()
        assert old in text, f"{path} does not have {old!r}"
        file.write_text(text.replace(old, new))
        self._git("commit", "--quiet", "--all", "--message", path)

    def rename(self, old: str, new: str) -> None:
        """Commit another name of a setting, in all of the code and in the role."""
        for path in self.checkout.glob("signaling/**/*.py"):
            path.write_text(path.read_text().replace(old, new))
        known = self.checkout / "ansible/roles/signaling/vars/main/settings.yml"
        known.write_text(known.read_text().replace(old.upper(), new.upper()))
        self._git("commit", "--quiet", "--all", "--message", f"Rename {old} to {new}")

    def take_back(self) -> None:
        """Take the last commit back."""
        self.reset("HEAD~")

    def head(self) -> str:
        """Return the commit that is checked out."""
        return run("git", "-C", self.checkout, "rev-parse", "HEAD").strip()

    def reset(self, commit: str) -> None:
        """Check out an earlier commit, and forget what came after it."""
        self._git("reset", "--quiet", "--hard", commit)

    def hang_up(self) -> None:
        """End the SSH connections that Ansible keeps for its next run."""
        for control in self._connections.glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "there"], capture_output=True)

    def _git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Operator", "-c", "user.email=operator@example.org")
        run("git", "-C", self.checkout, *who, *arguments)

    def _copy_tree(self) -> None:
        """Commit this tree as it is, with what is not committed yet, to a repository of its own."""
        listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in run("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, *listed).rstrip("\0").split("\0"):
            if (ROOT / name).exists():
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.checkout / name)
        self._git("init", "--quiet")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "The tree as it is")

    def follow(self, example: str, name: str, vms: Mapping[str, VM]) -> None:
        """Do what an example inventory tells the operator to do, and name what is used here instead of the world's."""
        inventory = self._ansible / name
        shutil.copytree(self._ansible / "inventories" / example, inventory)
        hosts = inventory / "hosts.yml"
        assert "ansible_user: ubuntu" in hosts.read_text()
        hosts.write_text(hosts.read_text().replace("ansible_user: ubuntu", f"ansible_user: {USER}"))
        (inventory / "host_vars").mkdir()
        for domain, vm in vms.items():
            (inventory / f"host_vars/{domain}.yml").write_text(json.dumps(self.variables(vm)))
            self.name(domain, vm.address)

    def name(self, domain: str, address: str) -> None:
        """Have a name lead to an address, as the operator's name server says."""
        with self._hosts.open("a") as names:
            names.write(f"{address} {domain}\n")

    def move(self, inventory: str, vm: VM) -> None:
        """Let the domain of a VM lead to it from now on, in place of the VM that had the domain before."""
        self.hang_up()
        others = [line for line in self._hosts.read_text().splitlines() if not line.endswith(f" {vm.domain}")]
        self._hosts.write_text("\n".join([*others, ""]))
        self.name(vm.domain, vm.address)
        self._acme.lead(vm.domain, vm.address)
        (self._ansible / inventory / f"host_vars/{vm.domain}.yml").write_text(json.dumps(self.variables(vm)))

    def lock_away(self, path: str, **variables: str) -> None:
        """Write variables to a file of an inventory, and encrypt it as its example says."""
        file = self._ansible / path
        assert file.with_name(f"{file.name}.example").exists()
        file.write_text(json.dumps(variables))
        vault: list[str | Path] = [PROGRAMS / "ansible-vault", "encrypt", file]
        subprocess.run(vault, env=self._environ, check=True, capture_output=True)

    def variables(self, vm: VM) -> dict[str, Any]:
        """Return what a host's variables are, beside those that every operator must set."""
        return {
            "ansible_ssh_private_key_file": str(vm.key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={vm.known_hosts} -o HostKeyAlias={vm.domain}",
            "private_address": vm.address,
            "certbot_acme_url": self._acme.url,
            "signaling_check_ca": str(self.authority),
            # So that the tests need not wait for long.
            "signaling_settings": {"SIGNALING_TLS_RELOAD_INTERVAL": 1},
            "signaling_watchdog_seconds": 15,
        }


@contextmanager
def controller(folder: Path, acme: Acme) -> Iterator[Controller]:
    """The operator's machine, which keeps no connection when it is left."""
    operator = Controller(folder, acme)
    try:
        yield operator
    finally:
        operator.hang_up()
