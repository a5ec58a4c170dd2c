"""The forms that values of settings have."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network
from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
# A limit of its own kind a second, or a minute; 0 is no limit.
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]

# As browsers take them: they refuse to make a connection at all for one URL that they do not understand.
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_PORT = r"(:(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}))?"
StunUrl = Annotated[
    str,
    Meta(title="STUN URIs (RFC 7064)", examples=["stun:stun.example.org:3478"], pattern=rf"^stuns?:{_HOST}{_PORT}\Z"),
]
TurnUrl = Annotated[
    str,
    Meta(
        title="TURN URIs (RFC 7065)",
        examples=["turn:turn.example.org:3478?transport=udp"],
        pattern=rf"^turns?:{_HOST}{_PORT}(\?transport=(udp|tcp))?\Z",
    ),
]

Origin = Annotated[
    str,
    Meta(
        title="origins (RFC 6454)",
        examples=["https://app.example.org"],
        pattern=rf"^[a-z][a-z0-9+.-]*://(\*\.)?{_HOST}{_PORT}\Z",
    ),
]
Network = Annotated[
    str,
    Meta(
        title="addresses or networks",
        examples=["10.0.0.0/8"],
        pattern=r"^(unix|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)\Z",
    ),
]
WebhookUrl = Annotated[
    str,
    Meta(
        title="an http or https URL",
        examples=["https://app.example.org/webhook"],
        pattern=rf"^(https?://{_HOST}{_PORT}([/?][\x21-\x22\x24-\x7e]*)?)?\Z",
    ),
]


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


_WEBHOOK_PREFIX = "whsec_"


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
