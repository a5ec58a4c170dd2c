"""The server's certificate: checked at the start, and taken up anew when its files change."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..process.reloader import Reloader, describe, read_file

log = logging.getLogger(__name__)

WARN_DAYS = 14
"""How long before its end a certificate is warned of. Renewals come long before: this one was missed."""

_DAY = 86_400


class Status(NamedTuple):
    """How it is with the certificate that new handshakes get."""

    not_after: float | None
    """When it ends, in seconds since 1970; None without TLS."""
    refused: bool
    """Whether there is a newer pair on disk that could not be used."""


class CertificateError(ValueError):
    """A certificate and key that cannot serve; ``str()`` of it is the one line to show."""


class ReloadingContext:
    """A certificate chain and its key on disk, in the place of the :class:`ssl.SSLContext` of a listening socket.

    A new handshake uses the newest pair that was whole; connections that are open keep the one they began with.

    Attributes:
        sslsocket_class: as that of an :class:`ssl.SSLContext`; None for the usual one.
    """

    sslsocket_class: type[ssl.SSLSocket] | None = None

    def __init__(self, cert: str, key: str) -> None:
        """Load the pair.

        Raises:
            CertificateError: it is missing, unreadable or does not match.
        """
        self._cert = cert
        # The days that were left when it was last warned of.
        self._reminded: int | None = None
        self._loaded = Reloader((cert, key), lambda: (context(cert, key), _end_of(cert)))

    @property
    def _context(self) -> ssl.SSLContext:
        return self._loaded.value[0]

    @property
    def _not_after(self) -> float | None:
        return self._loaded.value[1]

    @property
    def status(self) -> Status:
        """How it is with it now."""
        return Status(self._not_after, self._loaded.error is not None)

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        """As :meth:`ssl.SSLContext.wrap_socket`."""
        if self.sslsocket_class is not None:
            self._context.sslsocket_class = self.sslsocket_class
        return self._context.wrap_socket(sock, **options)

    def refresh(self) -> None:
        """Load the pair again if its files changed; a broken one is logged, once, and the old one stays."""
        if not self._loaded.refresh():
            return
        if self._loaded.error is None:
            log.info("A new certificate is used from now on: %s", self._cert)
        else:
            log.error("The new certificate is not used, the old one stays: %s", describe(self._loaded.error))

    def remind(self, now: float) -> None:
        """Log, once a day, that the certificate is about to end or has ended; ``now`` is in seconds since 1970."""
        if self._not_after is None:
            return
        days = int((self._not_after - now) // _DAY)
        if days >= WARN_DAYS or days == self._reminded:
            return
        self._reminded = days
        if days < 0:
            ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._not_after))
            log.error("The certificate ended at %s, clients refuse it: %s", ended, self._cert)
        else:
            left = {0: "less than a day", 1: "1 day"}.get(days, f"{days} days")
            log.warning("The certificate ends in %s: %s", left, self._cert)


_in_use: ReloadingContext | None = None


def use(cert: str, key: str) -> ReloadingContext:
    """Return the pair of these files, which is the one of this process from now on.

    Raises:
        CertificateError: it is missing, unreadable or does not match.
    """
    global _in_use
    _in_use = ReloadingContext(cert, key)
    _in_use.remind(time.time())
    return _in_use


def reload_if_changed() -> None:
    """Take up a renewal of the pair in use, and warn if there was none for too long."""
    if _in_use is not None:
        _in_use.refresh()
        _in_use.remind(time.time())


def status() -> Status:
    """How it is with the certificate of this process."""
    return Status(None, refused=False) if _in_use is None else _in_use.status


def _end_of(cert: str) -> float | None:
    # Not in the master: this makes locks, and takes 8 MiB.
    from cryptography import x509

    # What OpenSSL takes and this does not is a certificate all the same, whose end nobody knows.
    with suppress(ValueError, OSError):
        return x509.load_pem_x509_certificate(Path(cert).read_bytes()).not_valid_after_utc.timestamp()
    return None


def context(cert: str, key: str) -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and newer.

    Raises:
        CertificateError: naming the file and what is wrong with it.
    """
    for path in (cert, key):
        try:
            read_file(path)
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
        # An OSError as well.
        if "KEY_VALUES_MISMATCH" in str(error):
            raise CertificateError(f"{key} is not the key of {cert}") from None
        raise CertificateError(f"{cert} and {key} are not a certificate and its unencrypted key in PEM") from None
    except OSError as error:
        # It was there a moment ago.
        raise CertificateError(f"{cert} or {key} cannot be read: {error.strerror}") from None
    return made
