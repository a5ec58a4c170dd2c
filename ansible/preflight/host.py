"""Prints what of this host would stop a play in the middle: JSON with its ``problems``, ``addresses`` and more.

The argument has the limits. It changes nothing, and runs on a Python that is too old for the service as well.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time

MB = 2**20


def problems(limits):
    """Return them, a line each, with the remedy."""
    if tuple(map(int, platform.python_version_tuple()[:2])) < (3, 11):
        yield f"python3 is {platform.python_version()}: the service needs 3.11 or newer; upgrade the system"
    if not os.path.isdir("/run/systemd/system"):
        yield "systemd does not run here: the service is a unit of it; take a VM that boots with systemd"
    yield from packages()
    for path in ("/opt", "/var"):
        free = shutil.disk_usage(path).free // MB
        if free < limits["disk"]:
            yield f"{path} has {free} MB free, preflight_min_disk_mb is {limits['disk']}; make room"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MB
    if memory < limits["memory"]:
        yield f"there are {memory} MB of memory, preflight_min_memory_mb is {limits['memory']}; take a larger VM"
    skew = round(time.time() - limits["now"])
    if abs(skew) > limits["skew"]:
        yield (
            f"the clock is {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the one of Ansible's machine, "
            f"preflight_max_clock_skew is {limits['skew']}; timedatectl set-ntp true sets it"
        )


def packages():
    """Look whether apt can install anything."""
    if not shutil.which("apt-get"):
        yield "apt-get is missing: the roles are for Debian and Ubuntu; take one of them"
        return
    audit = subprocess.run(["dpkg", "--audit"], stdout=subprocess.PIPE, text=True).stdout
    # While somebody installs, as after a first boot, half of it is not there yet.
    if audit and not is_locked("/var/lib/dpkg/lock-frontend"):
        yield "an installation of packages was interrupted; dpkg --configure -a ends it"


def is_locked(path):
    """Tell if a process has a lock on a file."""
    with open("/proc/locks") as locks:
        return os.path.exists(path) and f":{os.stat(path).st_ino} " in locks.read()


def addresses():
    """Return the addresses of the interfaces, without those that lead nowhere else."""
    return subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, text=True).stdout.split()


def main(limits):
    """Print all of it."""
    has_certificate = os.path.exists(limits["certificate"])
    found = list(problems(limits))
    print(json.dumps({"problems": found, "addresses": addresses(), "has_certificate": has_certificate}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
