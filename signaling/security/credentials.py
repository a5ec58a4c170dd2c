"""What a client shows of itself in ``Authorization``. Pure.

Not by werkzeug's parser: it raises where a password is not ASCII, and takes a token with "=" in it for parameters.
"""

from __future__ import annotations

from base64 import b64decode


def bearer_token(authorization: str) -> str | None:
    """Return the token of a header's value (RFC 6750, section 2.1); None if it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def basic_password(authorization: str) -> bytes | None:
    """Return the password of a header's value (RFC 7617, section 2); None if it has none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = b64decode(value.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return password if colon else None
