"""The checks of settings that no type can describe, since they concern several settings or a whole value."""

from __future__ import annotations

from collections.abc import Iterable

from .env import SettingsError, check_both, shown
from .redis_url import Servers
from .values import is_network, loopback, signing_key


def check_webhook(url: str, secret: str) -> None:
    """Check that the webhook has both or neither, and that the secret has a usable form.

    Raises:
        SettingsError: it does not.
    """
    check_both("the webhook", SIGNALING_WEBHOOK_URL=url, SIGNALING_WEBHOOK_SECRET=secret)
    check_signing_key("SIGNALING_WEBHOOK_SECRET", secret)


def check_signing_key(variable: str, secret: str) -> None:
    """Check that the secret of a webhook has a usable form.

    Raises:
        SettingsError: it does not.
    """
    try:
        signing_key(secret)
    except ValueError:
        raise SettingsError(f"{variable}: the value is not usable; write base64 after whsec_") from None


def check_redis(url: str, sentinel_password: str) -> str:
    """Check the URL of the Redis, and that only Sentinels have a password of their own. Return that of the Redis.

    Raises:
        SettingsError: the URL is not usable, or the password is for nobody.
    """
    kind = password = ""
    if url:
        try:
            kind, password = (servers := Servers.of(url)).kind, servers.password
        except ValueError as error:
            raise SettingsError(f"SIGNALING_REDIS_URL: the value is not usable; {error}") from None
    if sentinel_password and kind != "sentinel":
        raise SettingsError("SIGNALING_REDIS_SENTINEL_PASSWORD is set, but SIGNALING_REDIS_URL names no Sentinels")
    return password


def check_needs_key(**values: str) -> None:
    """Check that settings that need ``SIGNALING_JWT_KEY`` are empty without it; a name is in the message.

    Raises:
        SettingsError: one of them is set.
    """
    for variable, value in values.items():
        if value:
            raise SettingsError(f"SIGNALING_JWT_KEY is not set: {variable} needs a key that verifies tokens")


def check_length(variable: str, secret: str, min_bytes: int) -> None:
    """Check that a secret is empty or has enough bytes.

    Raises:
        SettingsError: it is too short.
    """
    if 0 < len(secret.encode()) < min_bytes:
        raise SettingsError(
            f"{variable}: the value is not usable; write {min_bytes} bytes or more, such as openssl rand -hex 32 prints"
        )


def check_networks(names: Iterable[str]) -> None:
    """Check that the trusted proxies are addresses or networks.

    Raises:
        SettingsError: one is neither.
    """
    for name in names:
        if not is_network(name):
            raise SettingsError(f"SIGNALING_TRUSTED_PROXIES: {shown(name)} is not usable; write addresses or networks")


def metrics_address(bind: str) -> tuple[str, int] | None:
    """Return the address and port of ``SIGNALING_METRICS_BIND``, None if it is empty.

    Raises:
        SettingsError: it is not a loopback address and a port.
    """
    if not bind:
        return None
    try:
        return loopback(bind)
    except ValueError:
        raise SettingsError(
            f"SIGNALING_METRICS_BIND: {shown(bind)} is not usable; "
            "write a loopback address and a port such as 127.0.0.1:9101 or [::1]:9101"
        ) from None
