"""How a webhook is signed, as Standard Webhooks (standardwebhooks.com) has it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """Return the key that a secret stands for: base64 behind ``whsec_``, or else any text as it is.

    Raises:
        ValueError: nothing, or no base64, is behind ``whsec_``.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not key:
        raise ValueError("an empty key")
    return key


def signed(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of ``body``, sent at ``timestamp`` in seconds since 1970 as the message of that id."""
    content = f"{message}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
