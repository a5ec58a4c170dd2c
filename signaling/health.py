"""Check the health of the server that runs with this environment, for the health check of a container.

``python -m signaling.health`` prints the answer of ``/healthz``. The exit status is 0 if the server is healthy, 1 if
it is not, and 78 if a setting is wrong.
"""

from __future__ import annotations

import http
import os
import sys

from .config.env import SettingsError
from .config.settings import Settings
from .host.local import NoAnswerError, request_health


def main() -> int:
    """Print the health, or why there is no answer, and return the exit status."""
    try:
        answer = request_health(Settings.load(os.environ))
    except SettingsError as error:
        print(f"No answer: {error}")
        return os.EX_CONFIG
    except NoAnswerError as error:
        print(f"No answer: {error}")
        return 1
    if answer.status // 100 == 3:
        print(
            f"No answer: /healthz redirects to {answer.location!r:.200}; if it is the login of an app, "
            "let it leave the requests of signaling.owns_request() alone"
        )
        return 1
    print(answer.text)
    return 0 if answer.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
