"""Restart the workers of a running server one by one, so that only the clients of one worker reconnect at a time.

``python -m signaling.restart PID`` takes the process id of gunicorn's master. The new workers load the current code,
and the current files that settings name. The environment and gunicorn's configuration stay those of the master.
Several workers must share their rooms in Redis.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Restart the workers; return the exit status: 0, or 1 if a worker was not replaced in time."""
    parser = argparse.ArgumentParser(prog="python -m signaling.restart", description="Restart one worker at a time.")
    parser.add_argument("pid", type=int, help="the process id of gunicorn's master")
    parser.add_argument(
        *("--timeout", "--patience"),
        metavar="SECONDS",
        type=float,
        default=60.0,
        help="seconds that each worker may take (default %(default)g)",
    )
    options = parser.parse_args(arguments)
    try:
        return _restart(options.pid, options.timeout)
    except FileNotFoundError:
        print(f"There is no process {options.pid}", file=sys.stderr)
    except OSError as error:
        print(f"The workers of process {options.pid} cannot be read: {error.strerror}", file=sys.stderr)
    return 1


def _restart(master: int, timeout: float) -> int:
    before = workers(master)
    for number, worker in enumerate(before, 1):
        print(f"Restarting worker {worker}, {number} of {len(before)}", flush=True)
        try:
            os.kill(worker, signal.SIGTERM)
        except ProcessLookupError:
            continue
        if not _wait_replaced(master, worker, len(before), timeout):
            print(f"Worker {worker} was not replaced within {timeout:g} seconds", file=sys.stderr)
            return 1
    return 0


def workers(master: int) -> list[int]:
    """Return the process ids of the workers of ``master``, in ascending order.

    Raises:
        OSError: there is no such process.
    """
    return sorted(int(child) for child in Path(f"/proc/{master}/task/{master}/children").read_text().split())


def _wait_replaced(master: int, worker: int, count: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        # Linux has no event for the children of another process.
        time.sleep(_POLL_SECONDS)
        current = workers(master)
        if worker not in current and len(current) == count:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
