"""Checks before the server starts. If a check fails, it ends the process with one line and EX_CONFIG.

gunicorn's master imports this module while nothing is patched by gevent. So it must not import anything that makes a
lock.
"""

from __future__ import annotations

import logging
import os
import ssl
import sys
from typing import TYPE_CHECKING, NoReturn

from gunicorn import util

from ..config.env import SettingsError, check_both, shown, variable_name
from ..config.logging import escaped
from ..config.priority import PRIORITIES, is_journal
from ..config.settings import Settings
from ..process.reloader import read_file
from ..transport import tls
from . import bind_address

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

log = logging.getLogger(__name__)


def workers(server: Arbiter, settings: Settings) -> None:
    """Refuse a number of workers that cannot work."""
    count = server.cfg.workers
    source = f"WEB_CONCURRENCY={count}" if os.environ.get("WEB_CONCURRENCY") == str(count) else f"-w {count}"
    if count < 1:
        stop(f"{source} is not usable; run one worker or more")
    if count > 1 and not settings.redis_url:
        stop(
            f"{source}: {count} workers would each have rooms of their own; "
            "run one worker (-w 1), or set SIGNALING_REDIS_URL to a Redis that they share"
        )


def certificate(settings: Settings) -> None:
    """Refuse a certificate and key that cannot be used."""
    if not settings.tls_cert and not settings.tls_key:
        log.warning("No TLS: plain WebSocket, for development or behind a proxy that has the certificate")
        return
    try:
        check_both("TLS", SIGNALING_TLS_CERT=settings.tls_cert, SIGNALING_TLS_KEY=settings.tls_key)
    except SettingsError as error:
        stop(str(error))
    _check_file("SIGNALING_TLS_CERT", settings.tls_cert, "a certificate chain in PEM")
    _check_file("SIGNALING_TLS_KEY", settings.tls_key, "the certificate's private key in PEM")
    try:
        tls.context(settings.tls_cert, settings.tls_key)
    except tls.CertificateError as error:
        stop(f"SIGNALING_TLS_CERT and SIGNALING_TLS_KEY: {error}")
    log.info("TLS with the certificate %s", settings.tls_cert)


def fallbacks(settings: Settings) -> None:
    """Say which secrets have two values, so that nobody forgets to end the change of a secret."""
    for field, _ in settings.fallbacks():
        # Others are derived from the secret of the service.
        if (name := variable_name(field)) in os.environ:
            log.info("%s is set: two values count until it is empty again", name)


def redis_ca(settings: Settings) -> None:
    """Refuse a file for Redis that has no certificates."""
    if not settings.redis_ca:
        return
    wanted = "certificates in PEM"
    _check_file("SIGNALING_REDIS_CA", settings.redis_ca, wanted)
    try:
        ssl.create_default_context(cafile=settings.redis_ca)
    except (OSError, ValueError):
        stop(f"SIGNALING_REDIS_CA: {shown(settings.redis_ca)} is not usable; write the path of {wanted}")


def _check_file(variable: str, path: str, wanted: str) -> None:
    try:
        read_file(path)
    except OSError as error:
        stop(f"{variable}: {shown(path)} cannot be read: {error.strerror}; write the path of {wanted}")


def addresses(server: Arbiter, settings: Settings, own: str) -> None:
    """Refuse addresses that the server cannot listen on; ``own`` is the address in the settings."""
    if "GUNICORN_PID" in os.environ or "LISTEN_FDS" in os.environ or server.LISTENERS:
        # The previous master, or systemd, listens already.
        return
    try:
        found = server.cfg.address
    except RuntimeError as error:
        stop(f"the address to bind is not usable: {error}")
    source = f"SIGNALING_BIND={shown(settings.bind)} and PORT={settings.port}"
    if [util.parse_address(own)] != found:
        source = f"the address to bind, {', '.join(map(str, found))},"
    for address in found:
        try:
            bind_address.check(address)
        except bind_address.AddressError as error:
            stop(f"{source} cannot be listened on: {error}")


def trusted_proxies(server: Arbiter, settings: Settings) -> None:
    """Warn if only this host can connect, as a proxy does, and no proxy is trusted."""
    found = server.cfg.address
    if settings.trusted_proxies or not all(map(bind_address.is_local, found)):
        return
    address = found[0]
    proxy = "unix" if not isinstance(address, tuple) else "::1" if ":" in address[0] else "127.0.0.1"
    log.warning(
        "Only this host can connect, and SIGNALING_TRUSTED_PROXIES is empty: behind a proxy all clients count as one "
        "address for every limit; set SIGNALING_TRUSTED_PROXIES=%s",
        proxy,
    )


def key(settings: Settings) -> None:
    """Refuse a key that cannot verify tokens."""
    # In a child process: the modules that read keys make locks at import.
    child = os.fork()
    if not child:
        os._exit(_check_key(settings))
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    log.info("Authentication is on: a join needs a token")


def _check_key(settings: Settings) -> int:
    try:
        from ..security.jwt import JwtVerifier

        JwtVerifier(settings)
    except SettingsError as error:
        print_reason(str(error))
        return os.EX_CONFIG
    except Exception:
        log.exception("SIGNALING_JWT_KEY cannot be checked")
        return os.EX_SOFTWARE
    return os.EX_OK


def stop(reason: str) -> NoReturn:
    """End the process with one line and EX_CONFIG."""
    print_reason(reason)
    raise SystemExit(os.EX_CONFIG)


def print_reason(reason: str) -> None:
    """Say in one line why the server does not start."""
    # The setting of the priority may be the wrong one.
    prefix = PRIORITIES[logging.ERROR] if is_journal() else ""
    print(f"{prefix}The signaling server does not start: {escaped(reason)}", file=sys.stderr, flush=True)
