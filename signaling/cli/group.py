"""The group ``flask signaling``. Its commands are imported when somebody uses one, and never in a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.cli import AppGroup

if TYPE_CHECKING:
    import click
    from flask import Flask

NAME = "signaling"


def add_commands(app: Flask) -> None:
    """Add ``flask signaling`` to ``app``, unless the app has a command of that name."""
    if NAME not in app.cli.commands:
        app.cli.add_command(_LazyGroup(NAME, help="Ask and explain the signaling service."))


class _LazyGroup(AppGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return _commands().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _commands().get_command(ctx, cmd_name)


def _commands() -> AppGroup:
    from .commands import commands

    return commands
