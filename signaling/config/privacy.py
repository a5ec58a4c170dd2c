"""The switch ``SIGNALING_PRIVACY`` for the log of this process: nothing in it says who a client is.

One process has one log. So the switch is on for all apps of a process once one of them turns it on.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

_on = False

# The parts of an access log that say nothing of the client or of a user in the path.
_ATOMS = frozenset("stlmHbBTDMLp")


def turn_on() -> None:
    """Keep addresses, paths, user agents and the messages of exceptions out of the log from now on."""
    global _on
    _on = True


def is_on() -> bool:
    """Return whether the switch is on."""
    return _on


def client(address: str) -> str:
    """Return the address of a client as the log shows it; it is empty for a Unix socket."""
    return "a client" if _on else address or "a Unix socket"


def path(path: str, rule: str = "a path") -> str:
    """Return the path of a request as the log shows it, since a user may be in it; ``rule`` takes its place."""
    return rule if _on else path


def stack(error: BaseException | None) -> str:
    """Return the traceback of an exception without messages, which may hold what a client or an app wrote."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        parts.append("".join([*lines, type(error).__qualname__]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nThe error above came after this one:\n".join(parts)


class _Atoms(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "-"


class AccessFilter(logging.Filter):
    """Removes everything that names a client or a user from gunicorn's access log, whatever its format is."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep only the parts that are about the request as such, and let the record pass."""
        if isinstance(record.args, dict):
            record.args = _Atoms((name, value) for name, value in record.args.items() if name in _ATOMS)
        return True
