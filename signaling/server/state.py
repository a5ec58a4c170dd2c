"""Write the state of this process for a look from outside: ``$RUNTIME_DIRECTORY/state.json``.

gunicorn's master imports this module, so it must not import anything that makes a lock.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..config.names import misspelled
from ..config.process_state import FILE, ProcessState, digest, start_ticks
from ..config.settings import Settings
from ..config.timestamp import iso_8601
from ..version import __version__

log = logging.getLogger(__name__)


def write(settings: Settings, environ: Mapping[str, str]) -> None:
    """Write the state of this process; without a ``RUNTIME_DIRECTORY`` from systemd, write nothing."""
    # systemd names several folders with a colon between them.
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if not folder:
        return
    state = ProcessState(
        pid=os.getpid(),
        start_ticks=start_ticks(os.getpid()) or 0,
        version=__version__,
        release=settings.release,
        settings=digest(environ),
        # A name may be no text.
        unknown_settings=tuple(
            sorted(name.encode(errors="backslashreplace").decode() for name, _ in misspelled(environ))
        ),
        started=iso_8601(time.time()),
    )
    try:
        _replace(Path(folder, FILE), msgspec.json.encode(state) + b"\n")
    except OSError as error:
        log.warning("The state of this process cannot be written to %s: %s", folder, error.strerror)


def _replace(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, so that a reader sees the former content or all of the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        # The umask of the service may be stricter.
        part.chmod(0o644)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
