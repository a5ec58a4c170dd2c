"""How log lines look: the time first (ISO 8601, UTC), one line an event, as text or as JSON."""

from __future__ import annotations

import json
import logging
import re
import ssl
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from .settings import Settings

_FIELDS = ("connection", "code", "seconds", "reason")

ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(m)s %(U)s %(H)s" %(s)s %(b)s "%(a)s"'
"""The form of gunicorn's access log."""

# Nothing that ends a word, begins a field, or is an escape.
_is_word = re.compile(r'[^\s"=\\]+').fullmatch
_is_sentence = re.compile(r'[^"=\\]+').fullmatch


def quoted(value: str, *, sentence: bool = False) -> str:
    """Return ``value``, which a client chose, so that it cannot be taken for anything else in a line.

    What is an ordinary word, or with ``sentence`` an ordinary sentence, stays as it is. All else becomes a JSON string.
    """
    if (_is_sentence if sentence else _is_word)(value) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def _escaped(line: str) -> str:
    """Return ``line`` without characters that end it, that nobody sees, or that change how others are seen."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


class TextFormatter(logging.Formatter):
    """``[2024-01-01T12:00:00.000Z] Client connected connection=5f0c…``; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [f"[{_time(record)}] "]
        if record.levelno >= logging.WARNING:
            parts.append(f"{record.levelname} ")
        parts.append(record.getMessage())
        parts += [f" {name}={_plain(value)}" for name, value in _fields(record)]
        line = _escaped("".join(parts))
        if not record.exc_info:
            return line
        # Its message may hold what a client wrote: no line of it may look like one of the log's own.
        traceback = self.formatException(record.exc_info).splitlines()
        return "\n".join([line, *(f"  {_escaped(each)}" for each in traceback)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and what else there is."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            encoded = msgspec.json.encode(line).decode()
        except UnicodeEncodeError:
            # A path may have bytes that are no text.
            encoded = json.dumps(line, separators=(",", ":"))
        return _escaped(encoded)


def _time(record: logging.LogRecord) -> str:
    seconds, fraction = divmod(record.created, 1)
    return f"{_second(int(seconds))}.{int(fraction * 1000):03d}Z"


@lru_cache(1)
def _second(seconds: int) -> str:
    # Many lines have the same one.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _fields(record: logging.LogRecord) -> list[tuple[str, Any]]:
    return [(name, value) for name in _FIELDS if (value := getattr(record, name, "")) != ""]


def _plain(value: object) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def lost_lines(settings: Settings) -> Callable[[int], str]:
    """Return what makes the log line which says that so many lines were lost."""
    formatter = _formatter(settings)()
    words = "%d log lines were lost: nobody read them in time"
    return lambda lost: formatter.format(logging.LogRecord(__name__, logging.WARNING, "", 0, words, (lost,), None))


class WithoutRequests(logging.Filter):
    """Takes out of the lines of gunicorn and Flask what a client sent: a request line or a header may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        text, args = str(record.msg), record.args if isinstance(record.args, tuple) else ()
        if text.startswith(_INVALID):
            # gunicorn logs it where it caught it.
            error = sys.exc_info()[1]
            why = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
            address = text.removeprefix(_INVALID).partition(": ")[0]
            record.msg, record.args = (
                "Invalid request from %s: %s",
                (quoted(address or "a Unix socket"), why or type(error).__name__),
            )
        elif text.startswith(("Error handling request %s", "Exception on %s")):
            record.args = tuple(_without_query(str(word)) for word in args)
        elif text.startswith(_WITH_BYTES):
            record.msg, record.args = text.partition(".")[0], ()
        return True


_INVALID = "Invalid request from ip="

# What follows are bytes that a client sent.
_WITH_BYTES = ("Ignored premature client disconnection. ", "Closing connection. ")

_is_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def _without_query(uri: str) -> str:
    """Return the path of a request's target alone."""
    return quoted(_is_absolute.sub("", re.split(r"[?#]", uri, maxsplit=1)[0], count=1) or "/")


def _formatter(settings: Settings) -> type[logging.Formatter]:
    return JsonFormatter if settings.log_format == "json" else TextFormatter


def dict_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration of logging, gunicorn's own lines included, for ``logging.config.dictConfig``."""
    level = settings.log_level.upper()
    to_stderr = {"handlers": ["stderr"], "propagate": False, "level": level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter(settings)}},
        "filters": {"without_requests": {"()": WithoutRequests}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_requests"]}
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gunicorn.error": to_stderr, "signaling": to_stderr},
    }
