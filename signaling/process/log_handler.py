"""The handler of log lines that go to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from .output import Output

LineFormat: TypeAlias = Callable[[float, int, str, str, Mapping[str, object]], str]
"""Formats a line: its time, its level, the name of the logger, the message, and further fields."""


class LineHandler(logging.Handler):
    """Writes a record as one line, together with the other lines of the tick of the event loop.

    It takes no lock, since :class:`~signaling.process.output.Output` has its own. An error, and what is before it, is
    written at once. A record for which there is no place is not formatted.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.line: LineFormat | None = None

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802
        """Use a formatter. Its method ``line``, if it has one, formats without a record."""
        super().setFormatter(fmt)
        self.line = getattr(fmt, "line", None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write ``record`` if the filters let it pass.

        A record that cannot be formatted is reported on standard error, and no other record is lost.
        """
        output = self._output
        if (self.filters and not self.filter(record)) or output.lose():
            return False
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return False
        output.write_in_tick(line)
        if record.levelno >= logging.ERROR:
            output.drain()
        return True

    def flush(self) -> None:
        """Write what was collected."""
        self._output.drain()


def on_stderr() -> logging.Handler:
    """Return the handler of standard error: of the :class:`Output` there, if it was installed, or of the stream."""
    output = getattr(sys.stderr, "buffer", None)
    return LineHandler(output) if isinstance(output, Output) else logging.StreamHandler()
