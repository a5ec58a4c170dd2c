"""The state that a server writes at its start: its version, its release and a digest of its settings.

It tells a process with old settings from one with the new ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .names import is_own

FILE = "state.json"
"""The name of the file in ``$RUNTIME_DIRECTORY``."""

DIGEST_DIGITS = 16


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a process at its start."""

    pid: int
    """The id of gunicorn's master."""
    start_ticks: int
    """The start of that process in clock ticks since boot. A later process of the same id has another one."""
    version: str
    release: str
    """The value of ``SIGNALING_RELEASE``."""
    settings: str
    """The :func:`digest` of its environment."""
    unknown_settings: tuple[str, ...]
    """The ``SIGNALING_`` variables that are no settings."""
    started: str
    """The time of its start (ISO 8601, UTC)."""

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return start_ticks(self.pid) == self.start_ticks


def read(path: Path) -> ProcessState:
    """Return the state in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no state.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProcessState)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"{path} is not the state of a signaling server: {error}") from None


def digest(environ: Mapping[str, str]) -> str:
    """Return a digest of all variables that are settings, or are meant to be.

    It is the first 16 hexadecimal digits of the SHA-256 over their sorted lines ``NAME=VALUE``.
    """
    own = sorted(f"{name}={value}\n" for name, value in environ.items() if is_own(name, value))
    return hashlib.sha256("".join(own).encode(errors="surrogateescape")).hexdigest()[:DIGEST_DIGITS]


def start_ticks(pid: int) -> int | None:
    """Return the start of a process in clock ticks since boot, None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name of the program is in parentheses, and may contain anything (proc_pid_stat(5)).
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
