"""Check the health of the server that runs with this environment, for the health check of a container.

``python -m signaling.health`` prints the answer of ``/healthz``. The exit status is 0 if the server is healthy, 1 if
it is not, and 78 if a setting is wrong.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys

from .config.env import SettingsError
from .config.settings import Settings

_TIMEOUT = 5.0


def main() -> int:
    """Print the health, or why there is no answer, and return the exit status."""
    try:
        settings = Settings.load(os.environ)
    except SettingsError as error:
        print(f"No answer: {error}")
        return os.EX_CONFIG
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = _connect(settings)
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        response = connection.getresponse()
        if response.status // 100 == 3:
            where = response.getheader("Location", "")
            print(
                f"No answer: /healthz redirects to {where!r:.200}; if it is the login of an app, "
                "let it leave the requests of signaling.owns_request() alone"
            )
            return 1
        print(response.read().decode(errors="backslashreplace").strip())
    # ValueError: the host has an impossible form.
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"No answer: {str(error) or type(error).__name__}")
        return 1
    return 0 if response.status == http.HTTPStatus.OK else 1


def _connect(settings: Settings) -> socket.socket:
    if settings.bind.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(_TIMEOUT)
        sock.connect(settings.bind.removeprefix("unix:"))
    else:
        sock = socket.create_connection((settings.bind.strip("[]") or "localhost", settings.port), _TIMEOUT)
    if settings.tls_cert and settings.tls_key:
        # The server is on this host, and its certificate need not contain this address.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock


if __name__ == "__main__":
    sys.exit(main())
