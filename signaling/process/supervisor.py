"""Run loops for the life of the process. After an error a loop logs it, pauses, and goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import gevent

from . import backoff
from .threads import sleep, spawn

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
"""Seconds of the longest pause after the first error. It doubles after each further error in a row."""

MAX_PAUSE = 1.0
"""Seconds of the longest pause after any error."""

LOG_INTERVAL = 60.0
"""Seconds between two log lines about one type of error in one loop."""


def run_forever(
    name: str,
    step: Callable[[], object],
    max_pause: float = MAX_PAUSE,
    report: Callable[[BaseException], object] | None = None,
) -> NoReturn:
    """Call ``step`` in a loop, whatever it raises. The loop ends only with its greenlet.

    Args:
        name: the name of the loop in the log, such as ``"the heartbeat"``.
        step: one round of the loop. It must wait for something, such as the next second, since the loop pauses only
            after an error.
        max_pause: seconds of the longest pause after an error.
        report: called with each error; it must not raise. By default an :class:`ErrorLog` logs the errors.
    """
    failures = 0
    report = report or ErrorLog(name).add
    while True:
        try:
            step()
            failures = 0
            continue
        # gevent.Timeout is not an Exception.
        except (Exception, gevent.Timeout) as error:
            report(error)
        failures += 1
        sleep(backoff.delay(failures, FIRST_PAUSE, max_pause))


def spawn_forever(
    name: str,
    step: Callable[[], object],
    max_pause: float = MAX_PAUSE,
    report: Callable[[BaseException], object] | None = None,
) -> gevent.Greenlet[..., None]:
    """Return a new greenlet that runs :func:`run_forever` with the same arguments; in a plain thread, a new thread."""
    greenlet: gevent.Greenlet[..., None] = spawn(run_forever, name, step, max_pause, report)
    return greenlet


class ErrorLog:
    """Logs the errors of one loop, each type at most once within :data:`LOG_INTERVAL`."""

    def __init__(self, name: str) -> None:
        """Start without errors; ``name`` is the name of the loop in the log."""
        self._name = name
        self._logged: dict[type[BaseException], float] = {}
        self._skipped: dict[type[BaseException], int] = {}

    def add(self, error: BaseException) -> None:
        """Log ``error``, or count it for the next line about its type. Does not raise."""
        kind = type(error)
        now = time.monotonic()
        if now - self._logged.get(kind, -LOG_INTERVAL) < LOG_INTERVAL:
            self._skipped[kind] = self._skipped.get(kind, 0) + 1
            return
        self._logged[kind] = now
        skipped = self._skipped.pop(kind, 0)
        more = f" ({skipped} more since the last entry)" if skipped else ""
        # A log handler of an app may raise anything.
        with suppress(Exception, gevent.Timeout):
            log.error("An error in %s, which goes on%s", self._name, more, exc_info=error)
