"""Loggers of the lines that each connection writes.

An ordinary logger looks for the source line, thread, process and task of each record. That takes longer than to format
the line, which shows none of them. Python's switches for it, such as ``logging.logProcesses``, hold for the whole
process: a formatter of an app with ``%(process)d`` would fail. So only these loggers do not look.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from . import output
from .log_handler import LineHandler

LOGGERS = ("signaling.node.handler", "signaling.rooms.session")
"""The loggers that each connection uses."""

_call_handlers = logging.Logger.callHandlers


class LeanLogger(logging.Logger):
    """A logger whose information names no source line, and consists of values that do not change.

    So its lines are formatted and written at the end of the turn of the event loop. If nobody but the
    :class:`LineHandler` of its parent is to see them, they need no records.
    """

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = None, **options: Any) -> None:
        """Log a line at the end of the turn of the event loop."""
        if self.isEnabledFor(logging.INFO):
            if options:
                super().info(msg, *args, extra=extra, **options)
            else:
                output.later(partial(self._line, time.time(), msg, args, extra or {}))

    def _line(self, created: float, msg: object, args: tuple[object, ...], extra: Mapping[str, object]) -> str:
        """Return a line, or an empty one if a record of it went to the handlers."""
        handler = self._only_handler()
        if handler is not None and handler.line is not None:
            try:
                text = str(msg) % args if args else str(msg)
                return handler.line(created, logging.INFO, self.name, text, extra)
            except Exception:
                # The handler tells about it.
                pass
        record = self.makeRecord(
            self.name, logging.INFO, "(unknown file)", 0, msg, args, None, "(unknown function)", extra
        )
        record.relativeCreated += (created - record.created) * 1000
        record.created, record.msecs = created, created % 1 * 1000 // 1
        self.handle(record)
        return ""

    def _only_handler(self) -> LineHandler | None:
        parent = self.parent
        if (
            parent is None
            or self.handlers
            or self.filters
            or not self.propagate
            or parent.propagate
            or len(parent.handlers) != 1
            # Others that look at each record replace these, such as Sentry.
            or logging.Logger.callHandlers is not _call_handlers
            or logging.getLogRecordFactory() is not logging.LogRecord
        ):
            return None
        [handler] = parent.handlers
        return handler if type(handler) is LineHandler and not handler.filters and not handler.level else None


def install() -> None:
    """Make the loggers of :data:`LOGGERS`, in the process that uses them and before anybody else does."""
    ordinary = logging.getLoggerClass()
    logging.setLoggerClass(LeanLogger)
    try:
        for name in LOGGERS:
            logging.getLogger(name)
    finally:
        logging.setLoggerClass(ordinary)
