"""The signature of a webhook, as Standard Webhooks (standardwebhooks.com) defines it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign ``body``.

    Args:
        key: the signing key.
        message: the id of the message.
        timestamp: the time of the attempt, in seconds since 1970.
        body: the body of the POST.
    """
    content = f"{message}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
