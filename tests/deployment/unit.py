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
    def log(self) -> list[str]:
        """What the service itself wrote, since the VM exists."""
        return self._vm.ssh("sudo journalctl --namespace=signaling --output=cat --no-pager").splitlines()

    @property
    def journal(self) -> list[str]:
        """What systemd wrote of it."""
        return self._vm.ssh("sudo journalctl --unit=signaling --output=cat --no-pager").splitlines()
