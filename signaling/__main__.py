"""Start the server: ``python -m signaling``, with the arguments of gunicorn.

Without arguments it runs ``gunicorn -c gunicorn.conf.py wsgi:app``. If ``WEB_CONCURRENCY`` is no number, gunicorn
itself ends with a traceback before it reads any configuration. This command says in one line what is wrong.
"""

from __future__ import annotations

import os
import sys

from .config.env import SettingsError, web_concurrency
from .server import preflight

_ARGUMENTS = ["-c", "gunicorn.conf.py", "wsgi:app"]


def main() -> None:
    """Run gunicorn."""
    try:
        web_concurrency(os.environ)
    except SettingsError as error:
        preflight.stop(str(error))
    # Not at the top: gunicorn parses WEB_CONCURRENCY at import.
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", *(sys.argv[1:] or _ARGUMENTS)]
    # gunicorn's own command has the working directory in its path.
    sys.path.insert(0, os.getcwd())
    run()


if __name__ == "__main__":
    main()
