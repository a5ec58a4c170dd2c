"""The format of log lines, for copies of ``gunicorn.conf.py``."""

from __future__ import annotations

from typing import Any

from .config import logging
from .config.logging import ACCESS_FORMAT, lost_lines
from .config.settings import Settings
from .process import log_handler

__all__ = ["ACCESS_FORMAT", "dict_config", "lost_lines"]


def dict_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; it includes gunicorn's own lines."""
    return logging.dict_config(settings, log_handler.on_stderr)
