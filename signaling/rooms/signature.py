"""How a webhook is signed, as Standard Webhooks (standardwebhooks.com) has it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of ``body``, sent at ``timestamp`` in seconds since 1970 as the message of that id."""
    content = f"{message}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
