"""The server's certificate: checked at the start, and taken up anew when its files change."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from typing import Any

log = logging.getLogger(__name__)


class CertificateError(ValueError):
    """A certificate and key that cannot serve; ``str()`` of it is the one line to show."""


class Certificate:
    """A certificate chain and its key on disk, in the place of the :class:`ssl.SSLContext` of a listening socket.

    A new handshake uses the newest pair that was whole; connections that are open keep the one they began with.
    """

    def __init__(self, cert: str, key: str) -> None:
        """Load the pair.

        Raises:
            CertificateError: it is missing, unreadable or does not match.
        """
        self._cert = cert
        self._key = key
        self._seen = self._state()
        self._context = context(cert, key)

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        """As :meth:`ssl.SSLContext.wrap_socket`."""
        return self._context.wrap_socket(sock, **options)

    def refresh(self) -> None:
        """Load the pair again if its files changed; a broken one is logged, once, and the old one stays."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._context = context(self._cert, self._key)
        except CertificateError as error:
            log.error("The new certificate is not used, the old one stays: %s", error)
        else:
            log.info("A new certificate is used from now on: %s", self._cert)

    def _state(self) -> list[tuple[int, int, int] | None]:
        return [_stat(path) for path in (self._cert, self._key)]


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def context(cert: str, key: str) -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and newer.

    Raises:
        CertificateError: naming the file and what is wrong with it.
    """
    for path in (cert, key):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise CertificateError(f"{path} cannot be read: {error.strerror}") from None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    # OpenSSL would send two; a browser comes back on one connection.
    made.num_tickets = 1
    try:
        # An encrypted key would ask for its passphrase on the terminal.
        made.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise CertificateError(f"{key} is not the key of {cert}") from None
        raise CertificateError(f"{cert} and {key} are not a certificate and its unencrypted key in PEM") from None
    return made
