"""Printing for a person, as a table, or for a program, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from ..config.logging import escaped


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print ``rows`` below ``titles``, or the line ``empty`` if there are no rows."""
    cells = [[escaped(str(cell)) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    widths = [max(len(row[at]) for row in [titles, *cells]) for at in range(len(titles))]
    for row in (titles, *cells):
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def moment(value: object) -> str:
    """Return a time for a person: ``value`` is a time of the API as text (RFC 3339), or None."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError):
        return "" if value is None else str(value)
