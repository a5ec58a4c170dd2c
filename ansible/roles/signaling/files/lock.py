"""Takes or releases the lock of this host, which lets one play at a time change it.

Ansible runs it on the host: ``python3 -c … take PATH ME [HOLDER]`` and ``… release PATH ME``. ``ME`` is what owner.py
printed on the operator's machine. ``HOLDER`` is a play that is gone, whose lock may be taken. If another play holds the
lock, it prints which one, and the exit status is 75. The file is in ``/run``: a lock does not outlive a reboot.
"""

import fcntl
import json
import os
import sys
import time
from typing import Any

# A play from another machine cannot be seen to be gone. It takes the lock anew at each of its steps.
LEASE_SECONDS = 3600


def main(command: str, path: str, me: dict[str, Any], gone: dict[str, Any] | None = None) -> int:
    """Do it, and return the exit status."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        holder = read(file.read())
        mine = holder.get("token") == me["token"]
        now = time.time()
        if command == "take":
            free = not holder or mine or holder["token"] == (gone or {}).get("token")
            if not free and now - holder["seen"] < LEASE_SECONDS:
                print(json.dumps(holder))
                return os.EX_TEMPFAIL
            since = holder["since"] if mine else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
            write(file, json.dumps(me | {"since": since, "seen": now}))
        elif mine:
            write(file, "")
    return 0


def read(text: str) -> dict[str, Any]:
    """Return the play that holds the lock; empty for none. What a full or broken disk left is none, too."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}


def write(file: Any, text: str) -> None:
    """Replace what the file says."""
    file.seek(0)
    file.truncate()
    file.write(text)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], *map(json.loads, sys.argv[3:])))
