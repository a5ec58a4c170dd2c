"""Asks the service that was started with this environment for its health, as a container's health check does.

``python -m signaling.health`` prints the answer of ``/healthz``; the exit status is 0 when it is healthy, else 1.
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
    """Print the health, or why there is none, and return the exit status."""
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
        print(response.read().decode(errors="backslashreplace").strip())
    # A host that is none is a ValueError.
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
        # It is ourselves whom we speak to, under a name that the certificate need not have.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock


if __name__ == "__main__":
    sys.exit(main())
