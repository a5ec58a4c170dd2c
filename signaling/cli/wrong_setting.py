"""A wrong setting in a command: one line, and exit status 78."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from ..config.env import SettingsError

F = TypeVar("F", bound=Callable[..., Any])


class WrongSettingError(click.ClickException, SettingsError):
    """A wrong setting, which ends a command with one line and EX_CONFIG."""

    # EX_CONFIG, which Windows has no name for.
    exit_code = 78


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        if click.get_current_context(silent=True) is None or isinstance(error, click.ClickException):
            raise
        raise WrongSettingError(str(error)) from error


def one_line_in_commands(function: F) -> F:
    """Decorate a function so that, in a command, its :class:`SettingsError` ends the command with one line."""
    decorated: F = _one_line()(function)
    return decorated
