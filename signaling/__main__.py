"""Starts the service: ``python -m signaling``, with the same arguments as gunicorn.

Without arguments it is ``gunicorn -c gunicorn.conf.py wsgi:app``. gunicorn itself ends with a traceback where
``WEB_CONCURRENCY`` is no number, before it reads any configuration; this says in one line what is wrong.
"""

from __future__ import annotations

import os
import sys

from .config.env import SettingsError, web_concurrency

_ARGUMENTS = ["-c", "gunicorn.conf.py", "wsgi:app"]


def main() -> int:
    """Run gunicorn, and return the exit status if it does not start."""
    try:
        web_concurrency(os.environ)
    except SettingsError as error:
        print(f"The signaling server does not start: {error}", file=sys.stderr)
        return os.EX_CONFIG
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", *(sys.argv[1:] or _ARGUMENTS)]
    # As gunicorn's own command has it.
    sys.path.insert(0, os.getcwd())
    run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
