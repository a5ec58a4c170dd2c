"""The server's certificate: check it at the start, and reload it when its files change."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import gevent.ssl

from ..config.timestamp import iso_8601
from ..process.reloader import Reloader, describe, read_file

log = logging.getLogger(__name__)

WARN_DAYS = 14
"""Days before its end from which the log warns of a certificate. A renewal is due long before that."""

_DAY = 86_400


class Status(NamedTuple):
    """The state of the certificate that new handshakes get."""

    not_after: float | None
    """When it ends, in seconds since 1970; None without TLS, or if the end is unknown."""
    refused: bool
    """Whether there is a newer pair on disk that cannot be used."""


class CertificateError(ValueError):
    """A certificate and key that cannot be used; ``str()`` of it is the one line to show."""


class ReloadingContext:
    """Replaces the :class:`ssl.SSLContext` of a listening socket, and follows a certificate and key on disk.

    A new handshake uses the newest valid pair. Open connections keep the pair they began with.

    Each connection begins with a context that has no certificate, and gets that of the pair when its first message is
    there. OpenSSL keeps the keys of session tickets in the context that a connection began with. So a ticket stays
    valid when the certificate changes, and in each process that inherited that context.
    """

    def __init__(
        self, cert: str, key: str, handshake_timeout: float = 10.0, tickets: ssl.SSLContext | None = None
    ) -> None:
        """Load the pair from the paths ``cert`` and ``key``.

        Args:
            cert: the path of the certificate.
            key: the path of its key.
            handshake_timeout: the number of seconds for a handshake that :meth:`wrap_socket` does.
            tickets: the context that connections begin with; None for a new one.

        Raises:
            CertificateError: a file is missing or unreadable, or they do not match.
        """
        self._tickets = tickets or _new_context()
        self._tickets.sni_callback = self._select
        self._cert = cert
        self._handshake_timeout = handshake_timeout
        # The days left at the last warning.
        self._warned_days: int | None = None
        self._loaded = Reloader((cert, key), lambda: (context(cert, key), _read_end(cert)))

    @property
    def _context(self) -> ssl.SSLContext:
        return self._loaded.value[0]

    @property
    def _not_after(self) -> float | None:
        return self._loaded.value[1]

    @property
    def status(self) -> Status:
        """The state of the certificate now."""
        return Status(self._not_after, self._loaded.error is not None)

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        """Do the same as :meth:`ssl.SSLContext.wrap_socket`.

        Raises:
            TimeoutError: the handshake takes too long.
        """
        # gunicorn's own gevent worker would wait for ever. Its sessions do not outlive the certificate.
        with gevent.Timeout(self._handshake_timeout, TimeoutError("the TLS handshake takes too long")):
            return self._context.wrap_socket(sock, **options)

    def _wrap_socket(self, *args: Any, **options: Any) -> Any:
        """Do the same as this method of :class:`ssl.SSLContext`, which gevent's sockets call."""
        return self._tickets._wrap_socket(*args, **options)  # type: ignore[attr-defined]

    def _select(self, sock: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL calls this for each handshake, also if the client names no server.
        if not isinstance(sock, gevent.ssl.SSLSocket):
            # gevent unwraps it only for contexts that were made after it patched the process.
            sock = sock._sslsock()
        sock.context = self._context

    def refresh(self) -> None:
        """Reload the pair if its files changed. If the new pair is broken, log it once, and keep the old pair."""
        if not self._loaded.refresh():
            return
        if self._loaded.error is None:
            log.info("A new certificate is used from now on: %s", self._cert)
        else:
            log.error("The new certificate is not used, the old one stays: %s", describe(self._loaded.error))

    def remind(self, now: float) -> None:
        """Log once a day that the certificate ends soon or has ended; ``now`` is in seconds since 1970."""
        if self._not_after is None:
            return
        days = int((self._not_after - now) // _DAY)
        if days >= WARN_DAYS or days == self._warned_days:
            return
        self._warned_days = days
        if days < 0:
            ended = iso_8601(self._not_after, milliseconds=False)
            log.error("The certificate ended at %s, clients refuse it: %s", ended, self._cert)
        else:
            left = {0: "less than a day", 1: "1 day"}.get(days, f"{days} days")
            log.warning("The certificate ends in %s: %s", left, self._cert)


def _new_context() -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and newer, with new ticket keys and without a certificate."""
    result = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    result.minimum_version = ssl.TLSVersion.TLSv1_2
    result.options |= ssl.OP_NO_RENEGOTIATION
    # For TLS 1.2. Debian's list has ciphers without forward secrecy.
    result.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    # The client chooses. Browsers prefer AES-128, which takes less CPU, or ChaCha20 where no hardware helps AES.
    result.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # OpenSSL's default is two; a browser reconnects with one connection.
    result.num_tickets = 1
    return result


_tickets = _new_context()
"""The keys of session tickets: new at each start of the service, and the same in all its workers.

gunicorn's master imports this module before it forks. Without our hooks, each worker has its own.
"""

_in_use: ReloadingContext | None = None


def use(cert: str, key: str, handshake_timeout: float) -> ReloadingContext:
    """Load the pair that this process uses from now on, and return it.

    Raises:
        CertificateError: a file is missing or unreadable, or they do not match.
    """
    global _in_use
    _in_use = ReloadingContext(cert, key, handshake_timeout, _tickets)
    _in_use.remind(time.time())
    return _in_use


def reload_if_changed() -> None:
    """Reload the pair in use if it was renewed, and warn if it ends soon."""
    if _in_use is not None:
        _in_use.refresh()
        _in_use.remind(time.time())


def status() -> Status:
    """Return the state of the certificate of this process."""
    return Status(None, refused=False) if _in_use is None else _in_use.status


def _read_end(cert: str) -> float | None:
    # Not at the top: the master must not import it, since it makes locks; and it takes 8 MiB.
    from cryptography import x509

    # OpenSSL accepts some certificates that this parser refuses. Their end is unknown.
    with suppress(ValueError, OSError):
        return x509.load_pem_x509_certificate(Path(cert).read_bytes()).not_valid_after_utc.timestamp()
    return None


def context(cert: str, key: str) -> ssl.SSLContext:
    """Return a server's context for TLS 1.2 and newer.

    Raises:
        CertificateError: a file cannot be used; the message names it.
    """
    for path in (cert, key):
        try:
            read_file(path)
        except OSError as error:
            raise CertificateError(f"{path} cannot be read: {error.strerror}") from None
    result = _new_context()
    try:
        # Without a password OpenSSL would ask on the terminal for the passphrase of an encrypted key.
        result.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise CertificateError(f"{key} is not the key of {cert}") from None
        raise CertificateError(f"{cert} and {key} are not a certificate and its unencrypted key in PEM") from None
    except OSError as error:
        # It was readable a moment ago.
        raise CertificateError(f"{cert} or {key} cannot be read: {error.strerror}") from None
    return result
