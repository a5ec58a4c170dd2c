"""A server's clock for the ends of tokens, which stands still until a test turns it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

_SITECUSTOMIZE = """
import datetime
import pathlib

_now = pathlib.Path(__file__).with_name("now")


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(float(_now.read_text()), tz)


datetime.datetime = _Datetime
"""


class Clock:
    """The time by which a server's PyJWT knows that a token has expired.

    Attributes:
        settings: a server that is started with them has this clock.
    """

    def __init__(self, folder: Path) -> None:
        """Show the time of now, to files in a folder of its own."""
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        self.settings: dict[str, Any] = {"PYTHONPATH": folder}
        self._file = folder / "now"
        self.set(time.time())

    @property
    def now(self) -> float:
        """What it shows, in seconds since 1970."""
        return float(self._file.read_text())

    def set(self, now: float) -> None:
        """Show another time."""
        new = self._file.with_suffix(".new")
        new.write_text(str(now))
        os.replace(new, self._file)
