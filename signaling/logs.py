"""How log lines look: the time first (ISO 8601, UTC), one line an event, as text or as JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from .settings import Settings

_FIELDS = ("connection", "code", "seconds", "reason")

# What a client chose (an id, a close reason) must not be able to write a line of its own.
_CONTROL = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class TextFormatter(logging.Formatter):
    """``[2024-01-01T12:00:00.000Z] Client connected connection=5f0c…``; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [f"[{_time(record)}] "]
        if record.levelno >= logging.WARNING:
            parts.append(f"{record.levelname} ")
        parts.append(record.getMessage())
        parts += [f" {name}={_plain(value)}" for name, value in _fields(record)]
        line = "".join(parts).translate(_CONTROL)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


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
        return msgspec.json.encode(line).decode().translate(_CONTROL)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> list[tuple[str, Any]]:
    return [(name, value) for name in _FIELDS if (value := getattr(record, name, "")) != ""]


def _plain(value: object) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, str) and " " in value else str(value)


def dict_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration of logging, gunicorn's own lines included, for ``logging.config.dictConfig``."""
    formatter = JsonFormatter if settings.log_format == "json" else TextFormatter
    level = settings.log_level.upper()
    to_stderr = {"handlers": ["stderr"], "propagate": False, "level": level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gunicorn.error": to_stderr, "signaling": to_stderr},
    }
