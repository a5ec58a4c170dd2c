"""Loops that run for as long as their process: an error is logged, and the loop goes on after a pause."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import NoReturn

import gevent

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
"""Seconds after the first error, at the most; twice as many after each further one in a row."""

MAX_PAUSE = 1.0
"""Seconds after any error, at the most."""

LOG_INTERVAL = 60.0
"""Seconds between two log entries about one type of error in one loop."""


def run_forever(
    name: str,
    step: Callable[[], object],
    max_pause: float = MAX_PAUSE,
    report: Callable[[BaseException], object] | None = None,
) -> NoReturn:
    """Call ``step`` again and again, whatever it raises; only the end of the greenlet ends this.

    Args:
        name: what the log calls the loop, such as ``"the heartbeat"``.
        step: one round. It must wait for something, such as the next second: the loop adds a pause only after an error.
        max_pause: the longest pause after an error, in seconds.
        report: is called with each error and must not raise; without it an :class:`ErrorLog` takes them.
    """
    pause = FIRST_PAUSE
    report = report or ErrorLog(name).add
    while True:
        try:
            step()
            pause = FIRST_PAUSE
            continue
        # A timeout of gevent's that nobody caught is not an Exception.
        except (Exception, gevent.Timeout) as error:
            report(error)
        # At random, so that many workers do not all come back in the same moment.
        gevent.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        pause = min(2 * pause, max_pause)


def spawn_forever(
    name: str,
    step: Callable[[], object],
    max_pause: float = MAX_PAUSE,
    report: Callable[[BaseException], object] | None = None,
) -> gevent.Greenlet[..., None]:
    """Return a new greenlet in which :func:`run_forever` runs; the arguments are the same."""
    return gevent.spawn(run_forever, name, step, max_pause, report)


class ErrorLog:
    """The errors of one loop, each type logged at most once within :data:`LOG_INTERVAL`."""

    def __init__(self, name: str) -> None:
        """Make an empty one; ``name`` is what the log calls the loop."""
        self._name = name
        self._logged: dict[type[BaseException], float] = {}
        self._skipped: dict[type[BaseException], int] = {}

    def add(self, error: BaseException) -> None:
        """Log ``error``, or count it for the next entry about its type. Does not raise."""
        kind = type(error)
        now = time.monotonic()
        if now - self._logged.get(kind, -LOG_INTERVAL) < LOG_INTERVAL:
            self._skipped[kind] = self._skipped.get(kind, 0) + 1
            return
        self._logged[kind] = now
        skipped = self._skipped.pop(kind, 0)
        more = f" ({skipped} more since the last entry)" if skipped else ""
        log.error("An error in %s, which goes on%s", self._name, more, exc_info=error)
