"""A warning about something that may happen thousands of times a second: one line a minute, which says how often."""

from __future__ import annotations

import logging
import time

INTERVAL = 60.0
"""Seconds between two lines."""


class OccasionalLog:
    """One kind of warning."""

    __slots__ = ("_count", "_last", "_log")

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._count = 0
        self._last = -INTERVAL

    def warning(self, text: str, *values: object) -> None:
        """Count once more, and log if it is time.

        Args:
            text: what to log, with a ``%d`` for the count before the places of ``values``.
            values: what else it says.
        """
        self._count += 1
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._log.warning(text, self._count, *values)
            self._count, self._last = 0, now
