"""Format log lines: one line for each event, as text or as JSON, the time first (ISO 8601, UTC)."""

from __future__ import annotations

import json
import logging
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from . import privacy
from .priority import WITHOUT, Prefixes, prefixes
from .settings import Settings
from .timestamp import iso_8601

_FIELDS = ("connection", "code", "seconds", "reason")
_CALL_FIELDS = ("call", "outcome", "answered", "seconds", "reason")
_JSON_CALL_FIELDS = ("users", *_CALL_FIELDS)

ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s "%(a)s"'
"""The format of gunicorn's access log."""


def quoted(value: str, *, sentence: bool = False) -> str:
    """Return ``value``, which a client chose, in a form that cannot forge another part of a log line.

    An ordinary word stays as it is, and with ``sentence`` an ordinary sentence. Other text becomes a JSON string.
    """
    # No character may end a word, begin a field, or be an escape. A space is the only white space that is printable.
    if (
        value
        and value.isprintable()
        and (sentence or " " not in value)
        and "=" not in value
        and '"' not in value
        and "\\" not in value
    ):
        return value
    return json.dumps(value, ensure_ascii=False)


def escaped(line: str) -> str:
    """Return ``line`` with escapes for characters that end it, are invisible, or change how others look."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


class _LineFormatter(logging.Formatter):
    def __init__(self, prefixes: Prefixes = WITHOUT) -> None:
        """Begin each line with the prefix of its level."""
        super().__init__()
        self._prefixes = prefixes

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the traceback; without messages if ``SIGNALING_PRIVACY`` is on."""
        return privacy.stack(ei[1]) if privacy.is_on() else super().formatException(ei)


class TextFormatter(_LineFormatter):
    """Formats ``[2024-01-01T12:00:00.000Z] Client connected connection=5f0c…``; a traceback has lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record.created, record.levelno, record.name, record.getMessage(), record.__dict__)
        if not record.exc_info:
            return line
        # The message of an exception may contain text of a client. No line of it may look like a log line.
        traceback = self.formatException(record.exc_info).splitlines()
        prefix = self._prefixes[record.levelno]
        return "\n".join([line, *(f"{prefix}  {escaped(each)}" for each in traceback)])

    def line(self, created: float, level: int, name: str, message: str, fields: Mapping[str, object]) -> str:  # noqa: ARG002
        severity = f"{logging.getLevelName(level)} " if level >= logging.WARNING else ""
        line = f"[{iso_8601(created)}] {severity}{message}"
        for field in _CALL_FIELDS if "call" in fields else _FIELDS:
            if field in fields and (value := fields[field]) != "":
                line += f" {field}={quoted(value) if isinstance(value, str) else value}"
        return self._prefixes[level] + escaped(line)


class JsonFormatter(_LineFormatter):
    """Formats one JSON object a line: ``time``, ``level``, ``logger``, ``message``, and further fields."""

    def format(self, record: logging.LogRecord) -> str:
        more = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return self.line(record.created, record.levelno, record.name, record.getMessage(), record.__dict__, **more)

    def line(
        self, created: float, level: int, name: str, message: str, fields: Mapping[str, object], **more: str
    ) -> str:
        line: dict[str, object] = {
            "time": iso_8601(created),
            "level": logging.getLevelName(level).lower(),
            "logger": name,
            "message": message,
        }
        for field in _JSON_CALL_FIELDS if "call" in fields else _FIELDS:
            if field in fields and (value := fields[field]) != "":
                line[field] = value
        line.update(more)
        try:
            encoded = msgspec.json.encode(line).decode()
        except UnicodeEncodeError:
            # A path may contain bytes that are no text.
            encoded = json.dumps(line, separators=(",", ":"))
        return self._prefixes[level] + escaped(encoded)


def lost_lines(settings: Settings) -> Callable[[int], str]:
    """Return a function that formats the log line about a number of lost lines."""
    formatter = _formatter(settings)
    text = "%d log lines were lost: nobody read them in time"
    return lambda lost: formatter.format(logging.LogRecord(__name__, logging.WARNING, "", 0, text, (lost,), None))


class WithoutRequests(logging.Filter):
    """Removes client data from the lines of gunicorn and Flask: a request line or a header may contain a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        text, args = str(record.msg), record.args if isinstance(record.args, tuple) else ()
        if text.startswith(_INVALID):
            # gunicorn logs this in its except clause.
            error = sys.exc_info()[1]
            reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
            address = text.removeprefix(_INVALID).partition(": ")[0]
            record.msg, record.args = (
                "Invalid request from %s: %s",
                (quoted(privacy.client(address)), reason or type(error).__name__),
            )
        elif privacy.is_on() and (text == _EACH_REQUEST or text.startswith(_ERRORS)):
            # A user may be in the path.
            what = text.partition(" on ")[0].partition(" %s")[0]
            record.msg, record.args = "A request" if text == _EACH_REQUEST else what, ()
        elif text.startswith(_ERRORS):
            record.args = tuple(_without_query(str(word)) for word in args)
        elif text.startswith(_BEFORE_BYTES):
            record.msg, record.args = text.partition(".")[0], ()
        return True


_INVALID = "Invalid request from ip="

# The method and the path, with SIGNALING_LOG_LEVEL=debug.
_EACH_REQUEST = "%s %s"

_ERRORS = ("Error handling request %s", "Exception on ")

# Bytes of the client follow.
_BEFORE_BYTES = ("Ignored premature client disconnection. ", "Closing connection. ")

_is_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def _without_query(uri: str) -> str:
    """Return only the path of a request target."""
    return quoted(_is_absolute.sub("", re.split(r"[?#]", uri, maxsplit=1)[0], count=1) or "/")


def _formatter(settings: Settings) -> logging.Formatter:
    return (JsonFormatter if settings.log_format == "json" else TextFormatter)(prefixes(settings))


def dict_config(settings: Settings, handler: Callable[[], logging.Handler] = logging.StreamHandler) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; it includes gunicorn's own lines.

    Args:
        settings: name the level and the form.
        handler: returns a handler that writes to standard error.
    """
    if settings.privacy:
        privacy.turn_on()
    level = settings.log_level.upper()
    # The filter is for gunicorn and Flask, whose app logs under its own name: the service's is `signaling`.
    own = {"handlers": ["own"], "filters": ["without_requests"], "propagate": False, "level": level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": partial(_formatter, settings)}},
        "filters": {"without_requests": {"()": WithoutRequests}},
        "handlers": {
            "own": {"()": handler, "formatter": "line"},
            "stderr": {"()": handler, "formatter": "line", "filters": ["without_requests"]},
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gunicorn.error": own, "signaling": own},
    }
