"""A VM with a systemd of its own, booted by systemd-nspawn, that one reaches by SSH alone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.deployment.command import attempt, run
from tests.deployment.image import AUTHORITIES, USER
from tests.deployment.network import Network
from tests.waiting import TIMEOUT, wait_until

_START = """
    echo $$ > "$0/cgroup.procs"
    mkdir -p /run/systemd/nspawn
    mount -t tmpfs tmpfs /run/systemd/nspawn
    exec "$@"
"""
_REBOOT = 133  # what systemd-nspawn --keep-unit ends with when the VM wants to be started again


class VM:
    """The machine. Its disk is an overlay over the image, and outlives the power, though not that of the host."""

    def __init__(self, domain: str, folder: Path, root: Path, network: Network) -> None:
        self.domain = domain
        self.network = network
        self.address = network.vm
        self.key = folder / "ssh-key"
        self.known_hosts = folder / "known-hosts"
        self._root = root
        self._console = folder / "console.log"
        self._cgroup = _cgroups() / network.name
        self._process: subprocess.Popen[bytes] | None = None
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        authorized = root / "home" / USER / ".ssh/authorized_keys"
        authorized.parent.mkdir()
        authorized.write_text(self.key.with_suffix(".pub").read_text())
        self.known_hosts.write_text(
            f"{domain},{self.address} {(root / 'etc/ssh/ssh_host_ed25519_key.pub').read_text()}"
        )

    def trust(self, certificate: str) -> None:
        """Add an authority to those that the VM trusts, as an administrator would."""
        (self._root / AUTHORITIES / "acme.crt").write_text(certificate)
        self.root("update-ca-certificates")

    def bring(self, folder: Path, name: str) -> None:
        """Copy a folder into the home of the user, as an operator does by scp or git."""
        shutil.copytree(folder, self._root / "home" / USER / name, symlinks=True)
        self.root(f"chown -R {USER}: /home/{USER}/{name}")

    def power_on(self) -> None:
        """Boot, and wait until systemd says that all is started and SSH answers."""
        self._cgroup.mkdir(exist_ok=True)
        resolver = "copy-uplink" if Path("/run/systemd/resolve/resolv.conf").exists() else "copy-host"
        command = [
            # What systemd-nspawn notes in /run goes away with it.
            *("unshare", "--mount", "sh", "-euc", _START, str(self._cgroup)),
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"),
            *(f"--machine={self.network.name}", f"--directory={self._root}", f"--resolv-conf={resolver}"),
            *(f"--network-namespace-path=/run/netns/{self.network.name}", "--capability=CAP_NET_ADMIN"),
        ]
        with self._console.open("ab") as console:
            # In a session of its own: a Ctrl-C is for the tests, which then end it in order.
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        wait_until(self._is_up)

    def power_off(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            (self._cgroup / "cgroup.kill").write_text("1")
            self._process.wait(TIMEOUT)
            wait_until(lambda: "populated 0" in (self._cgroup / "cgroup.events").read_text())
            # Beside cgroup2 systemd-nspawn makes it in systemd's own hierarchy of version 1, where that is mounted.
            for cgroup in list(Path("/sys/fs/cgroup").glob(f"**/{self._cgroup.name}")):
                for folder, _, _ in os.walk(cgroup, topdown=False):
                    os.rmdir(folder)

    def reboot(self) -> None:
        """Reboot as an administrator does, and wait until it is up again."""
        assert self._process is not None
        self.ssh("sudo systemctl reboot", check=False)
        assert self._process.wait(TIMEOUT) == _REBOOT, self._console.read_text()
        run("ip", "netns", "exec", self.network.name, "nft", "flush", "ruleset")
        self.power_on()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the VM did not boot:\n{self._console.read_text()}"
        return self.ssh("systemctl is-system-running --wait", check=False) in ("running\n", "degraded\n")

    def root(self, script: str) -> str:
        """Run a script as root, up to its first command that fails."""
        return self.ssh(f"sudo sh -euc {shlex.quote(script)}")

    def ssh(self, command: str, *, check: bool = True) -> str:
        """Run a command on the VM, and return what it printed."""
        options = [f"UserKnownHostsFile={self.known_hosts}", "BatchMode=yes", "ConnectTimeout=5", "LogLevel=ERROR"]
        line = ["ssh", "-F", "none", "-i", str(self.key), *(f"-o{option}" for option in options)]
        result = subprocess.run(
            [*line, f"{USER}@{self.address}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT,
        )
        assert not check or result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout


@contextmanager
def vm(domain: str, image: Path, folder: Path, network: Network) -> Iterator[VM]:
    """A VM that is off, on a disk of its own over `image`."""
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for path in (folder, upper, work, root):
        path.mkdir()
    with ExitStack() as undo:
        undo.callback(attempt, "umount", root)
        layers = f"lowerdir={image},upperdir={upper},workdir={work}"
        # Volatile: it is thrown away in the end, so what is synced need not be written.
        run("mount", "-t", "overlay", "overlay", "-o", f"{layers},volatile", root)
        machine = VM(domain, folder, root, network)
        undo.callback(machine.power_off)
        yield machine


def _cgroups() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            return Path(mount.split()[4])
    raise AssertionError("no cgroup2 is mounted on this machine")
