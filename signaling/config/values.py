"""Values of settings that no pattern describes. Pure."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network

_WEBHOOK_PREFIX = "whsec_"


def is_network(text: str) -> bool:
    """Tell if it is an address, a network, or ``unix`` for whoever connects to a Unix socket."""
    try:
        ip_network(text if text != "unix" else "::", strict=False)
    except ValueError:
        return False
    return True


def loopback(text: str) -> tuple[str, int]:
    """Return the address and port in a text such as ``[::1]:9101``.

    Raises:
        ValueError: it is no loopback address and port.
    """
    host, _, port = text.rpartition(":")
    address = ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    if not (address.is_loopback and port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise ValueError("no loopback address and port")
    return str(address), int(port)


def signing_key(secret: str) -> bytes:
    """Return the key that a secret of a webhook stands for: base64 behind ``whsec_``, or else any text as it is.

    Raises:
        ValueError: nothing, or no base64, is behind ``whsec_``.
    """
    if not secret.startswith(_WEBHOOK_PREFIX):
        return secret.encode()
    key = base64.b64decode(secret.removeprefix(_WEBHOOK_PREFIX), validate=True)
    if not key:
        raise ValueError("an empty key")
    return key
