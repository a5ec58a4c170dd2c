"""Start the server: ``python -m signaling``, with the arguments of gunicorn.

Without arguments it runs ``gunicorn -c gunicorn.conf.py wsgi:app``. If the folder lacks one of these two files, the
package has the same, so the service runs wherever the package is installed. If ``WEB_CONCURRENCY`` is no number,
gunicorn itself ends with a traceback before it reads any configuration. This command says in one line what is wrong.
"""

from __future__ import annotations

import os
import sys

from .config.env import SettingsError, web_concurrency
from .server import preflight

_CONFIGURATIONS = ("gunicorn.conf.py", "python:signaling.gunicorn_conf")
_APPS = ("wsgi:app", "signaling:create_app()")


def main() -> None:
    """Run gunicorn."""
    try:
        web_concurrency(os.environ)
    except SettingsError as error:
        preflight.stop(str(error))
    # Not at the top: gunicorn parses WEB_CONCURRENCY at import.
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", *(sys.argv[1:] or _default_arguments())]
    # gunicorn's own command has the working directory in its path.
    sys.path.insert(0, os.getcwd())
    run()


def _default_arguments() -> list[str]:
    configuration = _CONFIGURATIONS[not os.path.exists("gunicorn.conf.py")]
    return ["-c", configuration, _APPS[not os.path.exists("wsgi.py")]]


if __name__ == "__main__":
    main()
