"""The priority of a log line for the journal of systemd: ``<4>`` in front of it, as sd-daemon(3) defines it."""

from __future__ import annotations

import logging
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from .settings import Settings

Prefixes: TypeAlias = Mapping[int, str]
"""The prefix of a line by its level, for every level."""

WITHOUT: Prefixes = defaultdict(str)
"""No line has a prefix."""

_LEAST = ((logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))


class _Prefixes(dict[int, str]):
    def __missing__(self, level: int) -> str:
        # An app may have levels of its own.
        self[level] = next((prefix for least, prefix in _LEAST if level >= least), "<7>")
        return self[level]


PRIORITIES: Prefixes = _Prefixes()
"""Each line has the prefix of its level."""


def prefixes(settings: Settings) -> Prefixes:
    """Return the prefixes of log lines, as ``SIGNALING_LOG_PRIORITY`` asks for them."""
    asked = settings.log_priority
    return PRIORITIES if asked == "always" or (asked == "auto" and is_journal()) else WITHOUT


def is_journal() -> bool:
    """Return whether standard error is the journal: systemd names its device and inode in ``JOURNAL_STREAM``."""
    try:
        device, inode = map(int, os.environ.get("JOURNAL_STREAM", "").split(":"))
        stderr = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return (stderr.st_dev, stderr.st_ino) == (device, inode)


def marker(settings: Settings) -> Callable[[bytes], bytes]:
    """Return a function that marks lines which no logger wrote as errors, such as a traceback that gevent prints."""
    error = prefixes(settings)[logging.ERROR].encode()

    def mark(lines: bytes) -> bytes:
        # A line may contain text of a client, so no prefix in it counts but this one.
        split = lines.splitlines(keepends=True)
        return b"".join(line if line.startswith(error) else error + line for line in split)

    return mark if error else bytes
