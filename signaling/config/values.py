"""Parse values of settings that no pattern can describe. Pure."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network

_WEBHOOK_PREFIX = "whsec_"


def is_network(text: str) -> bool:
    """Return whether ``text`` is an address, a network, or ``unix``, which stands for clients of a Unix socket."""
    try:
        ip_network(text if text != "unix" else "::", strict=False)
    except ValueError:
        return False
    return True


def loopback(text: str) -> tuple[str, int]:
    """Return the address and port in a text such as ``[::1]:9101``.

    Raises:
        ValueError: the text is not a loopback address and a port.
    """
    host, _, port = text.rpartition(":")
    address = ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    if not (address.is_loopback and port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise ValueError("not a loopback address and a port")
    return str(address), int(port)


def signing_keys(*secrets: str) -> tuple[bytes, ...]:
    """Return the keys in the secrets of a webhook that are not empty.

    Raises:
        ValueError: no base64 follows ``whsec_``.
    """
    return tuple(signing_key(secret) for secret in secrets if secret)


def signing_key(secret: str) -> bytes:
    """Return the key in the secret of a webhook: the base64 after ``whsec_``, or the whole text without that prefix.

    Raises:
        ValueError: no base64 follows ``whsec_``.
    """
    if not secret.startswith(_WEBHOOK_PREFIX):
        return secret.encode()
    key = base64.b64decode(secret.removeprefix(_WEBHOOK_PREFIX), validate=True)
    if not key:
        raise ValueError("an empty key")
    return key
