"""The secret that a service shares with the app that it runs beside, and the secrets that are derived from it. Pure.

Each derived secret has one purpose, and says nothing about the others or about the shared one.
"""

from __future__ import annotations

import hashlib
import hmac

MIN_BYTES = 32
"""The shortest secret."""


def derive(secret: str, purpose: str) -> str:
    """Return the secret for a purpose, such as ``jwt``, as 64 hexadecimal digits.

    Args:
        secret: the value of ``SIGNALING_SERVICE_SECRET``.
        purpose: ``api``, ``jwt`` or ``webhook``.
    """
    # The second version of a derivation needs another label.
    label = f"webrtc-signaling service secret 1: {purpose}".encode()
    return hmac.new(secret.encode(), label, hashlib.sha256).hexdigest()
