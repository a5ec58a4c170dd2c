"""Loggers of the lines that each connection writes.

An ordinary logger looks for the source line, thread, process and task of each record. That takes longer than to format
the line, which shows none of them. Python's switches for it, such as ``logging.logProcesses``, hold for the whole
process: a formatter of an app with ``%(process)d`` would fail. So only these loggers do not look.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeAlias

LOGGERS = ("signaling.node.handler", "signaling.rooms.session")
"""The loggers that each connection uses."""

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_UNKNOWN = ("(unknown file)", 0, "(unknown function)", None)

# The attributes that all records have in common.
_common: dict[str, Any] = {}


class LeanLogger(logging.Logger):
    """A logger whose records name no source line, and whose thread is the main one."""

    def findCaller(self, stack_info: bool = False, stacklevel: int = 1) -> tuple[str, int, str, str | None]:  # noqa: N802
        """Return what logging itself has where there is no stack."""
        return super().findCaller(stack_info, stacklevel) if stack_info else _UNKNOWN

    def makeRecord(  # noqa: N802
        self,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,
        exc_info: _ExcInfo | None,
        func: str | None = None,
        extra: Mapping[str, object] | None = None,
        sinfo: str | None = None,
    ) -> logging.LogRecord:
        """Return a record with all its attributes."""
        if exc_info or logging.getLogRecordFactory() is not logging.LogRecord:
            return super().makeRecord(name, level, fn, lno, msg, args, exc_info, func, extra, sinfo)
        now = time.time()
        record = logging.LogRecord.__new__(logging.LogRecord)
        fields = record.__dict__
        fields.update(_common)
        fields["name"] = name
        fields["levelno"], fields["levelname"] = level, logging.getLevelName(level)
        fields["msg"], fields["args"] = msg, args
        fields["stack_info"] = sinfo
        fields["created"], fields["msecs"] = now, now % 1 * 1000 // 1
        fields["relativeCreated"] = _common["relativeCreated"] + (now - _common["created"]) * 1000
        if extra is not None:
            fields.update(extra)
        return record


def install() -> None:
    """Make the loggers of :data:`LOGGERS`, before anybody else does, in the process that uses them."""
    _common.update(vars(logging.LogRecord("", logging.INFO, *_UNKNOWN[:2], "", (), None, _UNKNOWN[2])))
    ordinary = logging.getLoggerClass()
    logging.setLoggerClass(LeanLogger)
    try:
        for name in LOGGERS:
            logging.getLogger(name)
    finally:
        logging.setLoggerClass(ordinary)
