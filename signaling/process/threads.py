"""Threads in place of greenlets, where gevent has not patched Python, as under Flask's development server.

Greenlets take turns: nothing else runs between two waits of one. The shared state of a node relies on that. Threads
get the same from a :class:`TurnLock`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.monkey import is_module_patched

_IDLE_SECONDS = 1.0


def in_plain_thread() -> bool:
    """Return whether this thread serves requests without gevent. Greenlets and timers of gevent do not run in it."""
    return not is_module_patched("threading") and threading.current_thread() is not threading.main_thread()


def spawn(run: Callable[..., None], *arguments: object) -> Any:
    """Return a new greenlet that calls ``run``. In a plain thread, return a new thread; it ends with the process."""
    if not in_plain_thread():
        return gevent.spawn(run, *arguments)
    thread = threading.Thread(target=_run, args=(run, *arguments), daemon=True)
    thread.start()
    return thread


def _run(run: Callable[..., None], *arguments: object) -> None:
    # An event loop without a timer would end each wait for an event that another thread sets.
    timer = gevent.get_hub().loop.timer(_IDLE_SECONDS, _IDLE_SECONDS)
    timer.start(int)
    run(*arguments)


def sleep(seconds: float) -> None:
    """Wait in a greenlet or in a plain thread."""
    (time.sleep if in_plain_thread() else gevent.sleep)(seconds)


class TurnLock:
    """Lets one thread at a time change the state of a node. Nobody waits for a client or for an app while they hold it.

    Under gevent it does nothing.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = None if is_module_patched("threading") else threading.RLock()

    @property
    def needed(self) -> bool:
        """Return whether requests may have threads."""
        return self._lock is not None

    def __enter__(self) -> None:
        if self._lock is not None:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let others have their turn. The caller must hold the lock."""
        if self._lock is None:
            yield
            return
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
