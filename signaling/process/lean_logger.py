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

LOGGERS = ("signaling.node.handler", "signaling.rooms.session")
"""The loggers that each connection uses."""


class LeanLogger(logging.Logger):
    """A logger of the main thread, whose information names no source line.

    Its values do not change, so the records of one turn of the event loop are made and written at the end of it. One
    after the other they take less than half of the time, since the processor has the code at hand.
    """

    def __init__(self, name: str, level: int = logging.NOTSET) -> None:
        super().__init__(name, level)
        record = logging.LogRecord(name, logging.INFO, "(unknown file)", 0, "", (), None, "(unknown function)")
        # The attributes that all records have in common.
        self._common = vars(record)
        self._start = record.created - record.relativeCreated / 1000

    def info(self, msg: object, *args: object, extra: Mapping[str, object] | None = None, **options: Any) -> None:
        """Log a record with all attributes of an ordinary one."""
        if self.isEnabledFor(logging.INFO):
            if options or logging.getLogRecordFactory() is not logging.LogRecord:
                super().info(msg, *args, extra=extra, **options)
            else:
                output.later(partial(self._log_later, time.time(), msg, args, extra))

    def _log_later(
        self, created: float, msg: object, args: tuple[object, ...], extra: Mapping[str, object] | None
    ) -> None:
        record = logging.LogRecord.__new__(logging.LogRecord)
        fields = record.__dict__
        fields.update(self._common)
        fields["msg"], fields["args"] = msg, args
        fields["created"], fields["msecs"] = created, created % 1 * 1000 // 1
        fields["relativeCreated"] = (created - self._start) * 1000
        if extra is not None:
            fields.update(extra)
        self.handle(record)


def install() -> None:
    """Make the loggers of :data:`LOGGERS`, in the process that uses them and before anybody else does."""
    ordinary = logging.getLoggerClass()
    logging.setLoggerClass(LeanLogger)
    try:
        for name in LOGGERS:
            logging.getLogger(name)
    finally:
        logging.setLoggerClass(ordinary)
