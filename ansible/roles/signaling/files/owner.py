"""Prints who runs this play, as JSON, or tells if the play of another one is gone.

``python owner.py me PLAY`` finds the process of ansible-playbook that it runs in. ``python owner.py gone OTHER`` exits
with 0 if that process ran on this machine and is no more, and with 1 if it is there or if nobody can know.
"""

import getpass
import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

PROGRAM = "ansible-playbook"


def me(play: str) -> dict[str, Any]:
    """Return who runs the play ``play``."""
    pid = playbook()
    started = start(pid)
    return {
        "token": f"{machine()} {pid} {started}" if pid else str(uuid.uuid4()),
        "machine": machine(),
        "pid": pid,
        "started": started,
        "who": f"{getpass.getuser()}@{socket.gethostname()}, process {pid}",
        "play": play,
    }


def is_gone(other: dict[str, Any]) -> bool:
    """Tell if the process of another play is known to have ended."""
    return other["machine"] == machine() and other["pid"] > 0 and start(other["pid"]) != other["started"]


def machine() -> str:
    """Return where a process id has its meaning: on this machine since it booted, and in this container."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def playbook() -> int:
    """Return the id of ansible-playbook's main process, of which each task has a fork; 0 if this is not run by one."""
    found, line = 0, ""
    pid = os.getppid()
    while pid > 1:
        words = ps(pid, "command=")
        if found and words != line:
            break
        if PROGRAM in (os.path.basename(word) for word in words.split()):
            found, line = pid, words
        pid = int(ps(pid, "ppid=") or 0)
    return found


def start(pid: int) -> str:
    """Return when a process started, exact enough to tell it from a later one of the same id; empty if it ended."""
    return ps(pid, "lstart=") if pid else ""


def ps(pid: int, what: str) -> str:
    """Return what is known of a process; empty where there is none."""
    process = Path("/proc", str(pid))
    if Path("/proc/self/stat").exists():
        try:
            # Behind the name, which may have anything in it.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
        # A zombie has ended.
        return "" if fields[0] in "ZX" else {"ppid=": fields[1], "lstart=": fields[19], "command=": words}[what]
    command = ["ps", "-ww", "-o", what, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    if sys.argv[1] == "gone":
        sys.exit(0 if is_gone(json.loads(sys.argv[2])) else 1)
    print(json.dumps(me(sys.argv[2])))
