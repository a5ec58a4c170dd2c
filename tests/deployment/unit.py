"""The service's unit on the VM, as an administrator looks at it."""

from __future__ import annotations

from tests.deployment.vm import VM


class Unit:
    def __init__(self, vm: VM) -> None:
        self._vm = vm

    def show(self, name: str) -> str:
        """Return a property, as systemd has it."""
        return self._vm.ssh(f"systemctl show signaling.service --property={name} --value").strip()

    @property
    def master(self) -> int:
        return int(self.show("MainPID"))

    @property
    def worker(self) -> int:
        """The only one."""
        [worker] = self.workers
        return worker

    @property
    def workers(self) -> list[int]:
        return [int(pid) for pid in self._vm.ssh(f"cat /proc/{self.master}/task/{self.master}/children").split()]

    @property
    def environ(self) -> dict[str, str]:
        """The environment that the process was started with."""
        environ = self._vm.root(f"tr '\\0' '\\n' </proc/{self.master}/environ")
        return dict(line.split("=", 1) for line in environ.splitlines() if "=" in line)

    @property
    def deployment(self) -> str:
        """The deployment that the process, the unit and the link to the current one agree on."""
        running, unit, current = (
            self.environ.get("SIGNALING_RELEASE", ""),
            self.show("WorkingDirectory").split("/")[-2],
            self._vm.ssh("readlink /opt/signaling/current").strip().removeprefix("deployments/"),
        )
        assert running == unit == current
        return current

    @property
    def log(self) -> list[str]:
        """What the service itself wrote, since the VM exists."""
        return self._vm.ssh("sudo journalctl --namespace=signaling --output=cat --no-pager").splitlines()

    @property
    def journal(self) -> list[str]:
        """What systemd wrote of it."""
        return self._vm.ssh("sudo journalctl --unit=signaling --output=cat --no-pager").splitlines()
