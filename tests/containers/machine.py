"""A machine for containers inside this one, which leaves nothing behind: no image, no bridge, no rule, no process.

It is a set of Linux namespaces. podman finds its folders empty there, and all that it makes is gone with the
namespaces, which end with the process that made them, whatever ends that.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

# The `cat` ends when the pipe from its maker does; then this ends, and with it every process of its namespace.
# Of cgroups there is no use made, since those would be left behind.
_INIT = """
set -e
for folder in /run /var/lib/containers /var/lib/cni; do
    mkdir -p $folder
    mount -t tmpfs tmpfs $folder
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
cat >/run/containers.conf <<END
[containers]
cgroups = "disabled"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "/run/networks"
END
echo ready
cat
exit
"""
_ENVIRONMENT = {"CONTAINERS_CONF": "/run/containers.conf", "BUILDAH_ISOLATION": "chroot", "BUILDAH_FORMAT": "docker"}

_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """Commands run in it by `run`; sockets that are made in its `network` are in it too."""

    def __enter__(self) -> Self:
        self._unshare = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _INIT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._unshare.stdout is not None
        assert self._unshare.stdout.readline() == "ready\n"
        pid = self._unshare.pid
        self._init = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._unshare.communicate()

    def run(self, *command: str, check: bool = True, **environ: Any) -> subprocess.CompletedProcess[str]:
        """Run a command, with `environ` besides the environment there is; what it writes is in `stdout`."""
        result = subprocess.run(
            ["nsenter", f"--target={self._init}", "--mount", "--net", "--pid", *command],
            env=os.environ | _ENVIRONMENT | {name: str(value) for name, value in environ.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}"
        return result

    @contextmanager
    def network(self) -> Iterator[None]:
        with open("/proc/thread-self/ns/net") as outside, open(f"/proc/{self._init}/ns/net") as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
