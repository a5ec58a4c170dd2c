"""Loggers for the lines of each connection, which format their lines at the end of a tick of the event loop.

An ordinary logger looks for the source line, thread, process and task of each record. That takes longer than to format
the line, which shows none of them. Python's switches for it, such as ``logging.logProcesses``, hold for the whole
process: a formatter of an app with ``%(process)d`` would fail. So only these loggers do not look.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from gevent.monkey import get_original

from .log_handler import LineFormat, LineHandler
from .output import Output

LOGGERS = ("signaling.node.handler", "signaling.rooms.session")
"""The loggers that each connection uses."""

MAX_CALLS = 64
"""Calls of these loggers that wait for the end of a tick. More are handled at once."""

_Call: TypeAlias = tuple["DeferredLogger", float, object, tuple[object, ...], Mapping[str, object] | None]

_call_handlers = logging.Logger.callHandlers


class DeferredLogger(logging.Logger):
    """A logger whose ``info`` names no source line, and takes only values that do not change.

    So its calls can wait for the end of the tick. If only the :class:`LineHandler` of its parent sees them, they become
    lines without becoming records.
    """

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = None, **options: Any) -> None:
        """Log a line at the end of the tick of the event loop, or at once if something else sees its record."""
        if self.isEnabledFor(logging.INFO):
            if options:
                super().info(msg, *args, extra=extra, **options)
                return
            created = time.time()
            if self.line_format() is None:
                # A handler of an app may wait. The greenlet of this call may do so, the event loop may not.
                _do_calls()
                self.handle_later(created, msg, args, extra)
                return
            calls = _calls
            calls.append((self, created, msg, args, extra))
            if len(calls) == 1 or len(calls) > MAX_CALLS:
                _begin()

    def line_format(self) -> LineFormat | None:
        """Return how a line is formatted without a record, or None if something else needs the records."""
        # Others that look at each record, such as Sentry, replace these.
        if (
            logging.Logger.callHandlers is not _call_handlers
            or logging.getLogRecordFactory() is not logging.LogRecord
            or self.filters
        ):
            return None
        found: list[logging.Handler] = []
        logger: logging.Logger | None = self
        while logger is not None:
            found += logger.handlers
            logger = logger.parent if logger.propagate else None
        if len(found) != 1:
            return None
        handler = found[0]
        return handler.line if type(handler) is LineHandler and not handler.filters and not handler.level else None

    def handle_later(
        self, created: float, msg: object, args: tuple[object, ...], extra: Mapping[str, object] | None
    ) -> None:
        """Make a record of an earlier call, and give it to the handlers."""
        place = ("(unknown file)", 0)
        record = self.makeRecord(self.name, logging.INFO, *place, msg, args, None, "(unknown function)", extra)
        record.relativeCreated += (created - record.created) * 1000
        record.created, record.msecs = created, created % 1 * 1000 // 1
        self.handle(record)


# The unpatched one: gevent's would switch to another greenlet.
_new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_lock = _new_lock()
_calls: deque[_Call] = deque()
_output: Output | None = None


def install() -> None:
    """Make the loggers of :data:`LOGGERS`, in the process that uses them and before anybody else does."""
    global _output
    output = getattr(sys.stderr, "buffer", None)
    if isinstance(output, Output):
        _output = output
        output.before_write = _do_calls
    ordinary = logging.getLoggerClass()
    logging.setLoggerClass(DeferredLogger)
    try:
        for name in LOGGERS:
            logging.getLogger(name)
    finally:
        logging.setLoggerClass(ordinary)


def _begin() -> None:
    """Do the calls at the end of the tick. Without an event loop, or if there are many, do them now."""
    if len(_calls) > MAX_CALLS or _output is None or not _output.schedule():
        _do_calls()
        if _output is not None:
            _output.drain()


def _do_calls() -> None:
    # Another thread may do them already, or a value of one of the calls logs.
    if not _calls or not _lock.acquire(blocking=False):
        return
    try:
        while _calls:
            _do_some()
    finally:
        _lock.release()


def _do_some() -> None:
    """Do calls up to one that needs a record."""
    lines: list[str] = []
    logger: DeferredLogger | None = None
    line_format: LineFormat | None = None
    try:
        while _calls:
            call = _calls.popleft()
            if _output is not None and _output.lose():
                continue
            if call[0] is not logger:
                logger = call[0]
                line_format = logger.line_format()
            if line_format is None or _output is None:
                break
            _, created, msg, args, extra = call
            try:
                text = str(msg) % args if args else str(msg)
                lines.append(line_format(created, logging.INFO, logger.name, text, extra or {}))
            except Exception:
                # The handler reports the error.
                break
        else:
            return
    finally:
        if lines and _output is not None:
            _output.keep(lines)
    logger.handle_later(*call[1:])


def _forget() -> None:
    """In a forked process: the parent does the calls, and a thread of it may hold the lock."""
    global _lock
    _calls.clear()
    _lock = _new_lock()


os.register_at_fork(after_in_child=_forget)
