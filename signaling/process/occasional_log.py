"""Log warnings about frequent events: one line a minute, with the number of events."""

from __future__ import annotations

import logging
import time

INTERVAL = 60.0
"""Seconds between two log lines."""


class OccasionalLog:
    """One kind of warning, which the log gets at most once within :data:`INTERVAL`."""

    __slots__ = ("_count", "_last", "_log")

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._count = 0
        self._last = -INTERVAL

    def warning(self, text: str, *values: object) -> None:
        """Count an event, and log the number since the last line if the interval is over.

        Args:
            text: the message, with ``%d`` for the number before the placeholders of ``values``.
            values: the other values of the message.
        """
        self._count += 1
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._log.warning(text, self._count, *values)
            self._count, self._last = 0, now
