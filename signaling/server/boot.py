"""The end of gunicorn because of a wrong setting that only a worker can see: one line and EX_CONFIG.

The app is loaded in the workers, and gunicorn knows one status of a worker that stops the master, which then ends with
that status too. gunicorn's master imports this module while nothing is patched by gevent.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, NoReturn

from gunicorn.arbiter import Arbiter

from ..config.env import SettingsError
from . import preflight

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker

# Memory that the master shares with the workers that it forks.
_has_wrong_setting = mmap.mmap(-1, 1)


def guard(worker: Worker) -> None:
    """Stop gunicorn at a wrong setting of the app that ``worker`` loads."""
    load = worker.load_wsgi

    def load_wsgi() -> None:
        try:
            load()
        except SettingsError as error:
            stop(error)

    worker.load_wsgi = load_wsgi  # type: ignore[method-assign]


def stop(error: SettingsError) -> NoReturn:
    """End a worker, and the master with it, with one line and EX_CONFIG."""
    _has_wrong_setting[0] = 1
    preflight.print_reason(str(error))
    raise SystemExit(Arbiter.WORKER_BOOT_ERROR)


def end_master() -> None:
    """End the master with EX_CONFIG if a wrong setting of an app ends it."""
    if _has_wrong_setting[0]:
        raise SystemExit(os.EX_CONFIG)
