"""Restarts the workers of a running service one after another: the clients of one come back at a time.

``python -m signaling.restart PID``, the process id being that of the master. The new workers have the code and the
settings' files as they are now; the environment and gunicorn's own configuration stay those of the master. It takes
several workers, which share their rooms in Redis.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

_LOOK_SECONDS = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Restart them, and return the exit status: 0, or 1 if one did not end or none came in its place."""
    parser = argparse.ArgumentParser(prog="python -m signaling.restart", description="Restart one worker at a time.")
    parser.add_argument("pid", type=int, help="the process id of gunicorn's master")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that one may take (default 60)")
    given = parser.parse_args(arguments)
    try:
        return _restart(given.pid, given.patience)
    except FileNotFoundError:
        print(f"There is no process {given.pid}", file=sys.stderr)
    except OSError as error:
        print(f"Process {given.pid} cannot be looked at: {error.strerror}", file=sys.stderr)
    return 1


def _restart(master: int, patience: float) -> int:
    before = workers(master)
    for number, worker in enumerate(before, 1):
        print(f"Restarting worker {worker}, {number} of {len(before)}", flush=True)
        try:
            os.kill(worker, signal.SIGTERM)
        except ProcessLookupError:
            continue
        if not _replaced(master, worker, len(before), patience):
            print(f"Worker {worker} was not replaced within {patience:g} seconds", file=sys.stderr)
            return 1
    return 0


def workers(master: int) -> list[int]:
    """Return the process ids of a master's workers, the oldest first.

    Raises:
        OSError: there is no such process.
    """
    return sorted(int(child) for child in Path(f"/proc/{master}/task/{master}/children").read_text().split())


def _replaced(master: int, worker: int, count: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        # Nothing tells of another process's children.
        time.sleep(_LOOK_SECONDS)
        there = workers(master)
        if worker not in there and len(there) == count:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
