"""Files of settings in the syntax of systemd's ``EnvironmentFile=`` (systemd.exec(5)).

All of that syntax is supported. A comment begins with ``#`` or ``;``. A value is bare, or in single or double quotes.
In double quotes, a backslash escapes a quote, a backslash, a dollar sign and a grave accent. At the end of a line, it
continues the line. Nothing is expanded.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_SPACE = " \t\n\r"
_NEWLINE = "\n\r"
# In double quotes, a backslash before another character stays.
_ESCAPED = '"\\`$'


def read(patterns: Iterable[str]) -> dict[str, str]:
    """Return the variables in all files that match ``patterns``, such as ``/etc/signaling/settings.d/*.env``.

    The files of a pattern are read in the order of their names, as systemd does. If several have a variable, the last
    one wins.

    Raises:
        OSError: a file cannot be read, or no file matches a pattern.
        ValueError: a file is not UTF-8.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        paths = sorted(glob.glob(pattern))
        if not paths:
            # A folder that may not be read has no matches either.
            raise FileNotFoundError(f"{pattern}: no file that you may see matches")
        for path in paths:
            try:
                found |= parse(Path(path).read_bytes().decode())
            except OSError as error:
                raise OSError(f"{path}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ValueError(f"{path}: it is not UTF-8") from None
    return found


def parse(text: str) -> dict[str, str]:
    """Return the variables of a file. Lines that set none are ignored, as systemd does."""
    found = {}
    source = _Source(text)
    while not source.at_end:
        start = source.skip(_SPACE)
        if start in ("#", ";"):
            source.line()
        elif start:
            name, equals = source.name()
            if equals:
                value = source.value()
                if _NAME.match(name):
                    found[name] = value
    return found


class _Source:
    """The text of a file, and how far it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def _next(self) -> str:
        """Return the next character and go past it; empty at the end."""
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def skip(self, characters: str) -> str:
        """Go past these characters, and return the one after them; empty at the end."""
        while (found := self._text[self._at : self._at + 1]) and found in characters:
            self._at += 1
        return found

    def line(self) -> None:
        """Go past the end of the line."""
        while (each := self._next()) and each not in _NEWLINE:
            pass

    def name(self) -> tuple[str, bool]:
        """Return the name before the next ``=`` on this line, and whether there is one."""
        start = self._at
        while (each := self._next()) and each != "=" and each not in _NEWLINE:
            pass
        return self._text[start : self._at - 1].rstrip(_SPACE), each == "="

    def value(self) -> str:
        """Return the value of a variable, and go past the end of its last line."""
        value = ""
        while True:
            # Before a value, and after each quoted part of it.
            match self.skip(" \t"):
                case "'" | '"' as quote:
                    self._at += 1
                    value += self._quoted(quote)
                case _:
                    return value + self._bare()

    def _quoted(self, quote: str) -> str:
        found = ""
        while (each := self._next()) and each != quote:
            if each == "\\" and quote == '"':
                each = self._next()
                if each == "\n":
                    continue
                if each not in _ESCAPED:
                    found += "\\"
            found += each
        return found

    def _bare(self) -> str:
        found, kept = "", 0
        while (each := self._next()) and each not in _NEWLINE:
            if each == "\\":
                each = self._next()
                # It continues the line.
                found += "" if each in _NEWLINE else each
                kept = len(found)
            else:
                found += each
                if each not in _SPACE:
                    kept = len(found)
        return found[:kept]
