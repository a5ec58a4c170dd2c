"""The watch over settings that an app writes after ``init_app``, which nothing reads any more."""

from __future__ import annotations

import logging

from click import ClickException
from flask import Flask

from ..config.app_config import AppConfig
from ..config.env import SettingsError

try:
    from gunicorn.errors import AppImportError
except ModuleNotFoundError:
    # Windows has no gunicorn.
    AppImportError = SettingsError  # type: ignore[assignment, misc, unused-ignore]

log = logging.getLogger(__name__)


_BASES = (ClickException, *dict.fromkeys((AppImportError, SettingsError)))


class AppSettingsError(*_BASES):  # type: ignore[misc]
    """A wrong setting of an app.

    ``flask`` shows it as one line since it is a ``ClickException``, and so does gunicorn with an ``AppImportError``.
    """

    # EX_CONFIG, which Windows has no name for.
    exit_code = 78


class SettingsWatch:
    """The settings of one instance, compared once with the config of its app when the app is complete."""

    def __init__(self, app: Flask, read: AppConfig) -> None:
        """Watch the config of ``app``; ``read`` is what ``init_app`` has read of it."""
        self._app = app
        self._read = read
        self._compared = False
        self._problem = ""

    def problem(self) -> str:
        """Return why the app must not serve; empty if it may. The first call compares, and logs what is ignored."""
        if not self._compared:
            self._compared = True
            protections, others = self._read.written_later(self._app.config)
            if others:
                log.warning("%s came after init_app and has no effect; set it before", ", ".join(others))
            if protections:
                self._problem = f"{', '.join(protections)} came after init_app; set it before, or it protects nothing"
                log.error(self._problem)
        return self._problem
