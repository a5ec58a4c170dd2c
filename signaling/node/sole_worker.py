"""Whether this process is the only worker of its gunicorn that takes WebSockets.

A second worker can come without a word to the app: the signal TTIN starts one, and ``wsgi.multiprocess`` stays false.
With our hooks gunicorn stays at one worker. Without them, the workers find out by a lock on the socket on which all of
them accept. The kernel frees it when its owner closes that socket or ends. Nobody else can reach this lock.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Signals that a worker of gunicorn handles."""

_is_sole = False


def trust_hooks() -> None:
    """Look for no other worker any more: the hooks of gunicorn allow none."""
    global _is_sole
    _is_sole = True


def is_sole() -> bool:
    """Return whether no other worker has taken WebSockets. The first worker that asks is the one. Does not wait.

    Outside gunicorn there is no other worker. With ``reuse_port`` each worker has a socket of its own, so this cannot
    tell; nor on a system that has no such locks.
    """
    global _is_sole
    if not _is_sole:
        _is_sole = all(_lock(sock.fileno()) for sock in _listening_sockets())
    return _is_sole


def _listening_sockets() -> list[Any]:
    """Return the sockets on which this worker of gunicorn accepts; none outside gunicorn."""
    workers = sys.modules.get("gunicorn.workers.base")
    for number in _SIGNALS if workers is not None else ():
        # gunicorn gives the app no other way to its worker.
        worker = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(worker, workers.Worker):  # type: ignore[union-attr]
            return list(worker.sockets)
    return []


def _lock(descriptor: int) -> bool:
    try:
        import fcntl

        # A lock of the process, not of the open file, which the workers inherit from the master.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except (ImportError, OSError):
        return True
    return True
