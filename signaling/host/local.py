"""The service on this host: where its settings say that it is, and what it answers there."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from typing import NamedTuple

from ..config.env import SettingsError, shown
from ..config.settings import Settings

TIMEOUT = 5.0
"""Seconds that the service may take to answer."""

_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - this host's as well


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
    if is_on_socket(settings):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        sock.connect(settings.bind.removeprefix("unix:"))
    else:
        sock = socket.create_connection((host_of(settings), settings.port), TIMEOUT)
    if has_tls(settings):
        # The server is on this host, and its certificate need not contain this address.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock


def has_tls(settings: Settings) -> bool:
    """Return whether the service speaks TLS."""
    return bool(settings.tls_cert and settings.tls_key)


def is_on_socket(settings: Settings) -> bool:
    """Return whether the service listens on a Unix socket, and not on a port."""
    return settings.bind.startswith("unix:")


def host_of(settings: Settings) -> str:
    """Return the address at which this host reaches the service."""
    host = settings.bind.strip("[]")
    return "localhost" if host in _EVERY_ADDRESS or is_on_socket(settings) else host


def address(settings: Settings) -> str:
    """Return the address at which this host reaches the service, or ``unix:`` and the path of its socket."""
    return settings.bind if is_on_socket(settings) else host_of(settings)


def origin(settings: Settings, name: str | None = None) -> str:
    """Return the address of the service for a browser, such as ``https://call.example.org:8443``.

    Args:
        settings: its settings.
        name: the name that clients connect to; without it, the first one in the certificate.

    Raises:
        SettingsError: the certificate cannot be read, or the port is known to the running service alone.
    """
    scheme = "https" if has_tls(settings) else "http"
    host = name or (_certified_name(settings.tls_cert) if has_tls(settings) else host_of(settings))
    bracketed = f"{scheme}://{f'[{host}]' if ':' in host else host}"
    if is_on_socket(settings):
        return bracketed
    if not settings.port:
        raise SettingsError("PORT=0 lets the system choose a port: write the port that the service listens on")
    return f"{bracketed}:{settings.port}"


def _certified_name(path: str) -> str:
    """Return the first name or address in the certificate at ``path``; a wildcard becomes a name that it covers."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        reason = getattr(error, "strerror", None) or "it is no certificate that names a host"
        raise SettingsError(f"SIGNALING_TLS_CERT: {shown(path)} cannot be read: {reason}") from None
    found = [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
    if not found:
        raise SettingsError(f"SIGNALING_TLS_CERT: {shown(path)} names no host")
    return found[0].replace("*", "www", 1)
