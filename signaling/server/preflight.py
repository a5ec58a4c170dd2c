"""What is checked before the service starts. Each function ends the process with one line and EX_CONFIG.

gunicorn's master imports this where gevent has patched nothing, so it imports nothing that makes a lock.
"""

from __future__ import annotations

import logging
import os
import ssl
import sys
from typing import TYPE_CHECKING, NoReturn

from gunicorn import util

from ..config.env import SettingsError, shown
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
        stop(f"{source} is not usable: there must be one worker or more")
    if count > 1 and not settings.redis_url:
        stop(
            f"{source}: {count} workers would each have rooms of their own: "
            "run one worker (-w 1), or let them share a Redis (SIGNALING_REDIS_URL)"
        )


def certificate(settings: Settings) -> None:
    """Refuse a certificate and key that cannot serve."""
    if not settings.tls_cert and not settings.tls_key:
        log.warning("No TLS: plain WebSocket, for development or behind a proxy that has the certificate")
        return
    if not settings.tls_cert or not settings.tls_key:
        missing = "SIGNALING_TLS_KEY" if settings.tls_cert else "SIGNALING_TLS_CERT"
        stop(f"{missing} is not set: TLS needs both SIGNALING_TLS_CERT and SIGNALING_TLS_KEY")
    _file("SIGNALING_TLS_CERT", settings.tls_cert, "a certificate chain in PEM")
    _file("SIGNALING_TLS_KEY", settings.tls_key, "the certificate's private key in PEM")
    try:
        tls.context(settings.tls_cert, settings.tls_key)
    except tls.CertificateError as error:
        stop(f"SIGNALING_TLS_CERT and SIGNALING_TLS_KEY are not usable: {error}")
    log.info("TLS with the certificate %s", settings.tls_cert)


def redis_ca(settings: Settings) -> None:
    """Refuse certificates for Redis that are none."""
    if not settings.redis_ca:
        return
    what = "certificates in PEM"
    _file("SIGNALING_REDIS_CA", settings.redis_ca, what)
    try:
        ssl.create_default_context(cafile=settings.redis_ca)
    except (OSError, ValueError):
        stop(f"SIGNALING_REDIS_CA={shown(settings.redis_ca)} is not usable: it must be the path of {what}")


def _file(variable: str, path: str, what: str) -> None:
    try:
        read_file(path)
    except OSError as error:
        stop(f"{variable}={shown(path)} cannot be read: {error.strerror}: it must be the path of {what}")


def addresses(server: Arbiter, settings: Settings, own: str) -> None:
    """Refuse addresses that cannot be listened on; ``own`` is the one of the settings."""
    if "GUNICORN_PID" in os.environ or "LISTEN_FDS" in os.environ or server.LISTENERS:
        # Who was here before, or systemd, listens already.
        return
    try:
        places = server.cfg.address
    except RuntimeError as error:
        stop(f"the address to bind is not usable: {error}")
    source = f"SIGNALING_BIND={shown(settings.bind)} and PORT={settings.port}"
    if [util.parse_address(own)] != places:
        source = f"the address to bind, {', '.join(map(str, places))},"
    for place in places:
        try:
            bind_address.check(place)
        except bind_address.AddressError as error:
            stop(f"{source} cannot be listened on: {error}")


def key(settings: Settings) -> None:
    """Refuse keys that no token can be checked with."""
    # In a process of its own: what reads keys makes locks when it is imported.
    child = os.fork()
    if not child:
        os._exit(_try_key(settings))
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    log.info("Authentication is on: a join needs a token")


def _try_key(settings: Settings) -> int:
    try:
        from ..security.jwt import JwtVerifier

        JwtVerifier(settings)
    except SettingsError as error:
        _say(str(error))
        return os.EX_CONFIG
    except Exception:
        log.exception("SIGNALING_JWT_KEY cannot be checked")
        return os.EX_SOFTWARE
    return os.EX_OK


def stop(reason: str) -> NoReturn:
    """End the process with one line and EX_CONFIG."""
    _say(reason)
    raise SystemExit(os.EX_CONFIG)


def _say(reason: str) -> None:
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in reason)
    print(f"The signaling server does not start: {line}", file=sys.stderr, flush=True)
