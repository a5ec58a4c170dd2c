"""The signature of a webhook, as Standard Webhooks (standardwebhooks.com) defines it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def signed(keys: Sequence[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign ``body``, with a signature for each key.

    Args:
        keys: the signing keys. While a key changes, these are the old and the new one.
        message: the id of the message.
        timestamp: the time of the attempt, in seconds since 1970.
        body: the body of the POST.
    """
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, message, str(timestamp), body) for key in keys),
    }


def is_signed(keys: Sequence[bytes], message: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Return whether one of the ``signatures``, separated by spaces, is that of a message with one of the keys.

    Args:
        keys: the signing keys.
        message: its ``webhook-id``.
        timestamp: its ``webhook-timestamp``, as it came.
        signatures: its ``webhook-signature``.
        body: its body.
    """
    wanted = [_signature(key, message, timestamp, body).encode() for key in keys]
    given = signatures.encode("utf-8", "replace").split(b" ")
    return any(hmac.compare_digest(each, one) for each in given for one in wanted)


def _signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    content = f"{message}.{timestamp}.".encode("utf-8", "replace") + body
    return f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}"
