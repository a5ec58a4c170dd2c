"""A request to the service on this host, which its settings say how to reach."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import NamedTuple

from ..config.settings import Settings

TIMEOUT = 5.0
"""Seconds that the service may take to answer."""


class Answer(NamedTuple):
    """An answer of the service."""

    status: int
    text: str
    location: str
    """Where a redirect leads."""


class NoAnswerError(Exception):
    """The service cannot be reached; ``str()`` of it says why."""


def request_health(settings: Settings) -> Answer:
    """Return the answer of ``/healthz``.

    Raises:
        NoAnswerError: there is none.
    """
    connection = http.client.HTTPConnection("localhost")
    try:
        connection.sock = _connect(settings)
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read().decode(errors="backslashreplace").strip()
    # ValueError: the host has an impossible form.
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from None
    return Answer(response.status, text, response.getheader("Location", ""))


def _connect(settings: Settings) -> socket.socket:
    if settings.bind.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        sock.connect(settings.bind.removeprefix("unix:"))
    else:
        sock = socket.create_connection((settings.bind.strip("[]") or "localhost", settings.port), TIMEOUT)
    if settings.tls_cert and settings.tls_key:
        # The server is on this host, and its certificate need not contain this address.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock
