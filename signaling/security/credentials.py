"""The credentials in an ``Authorization`` header. Pure.

werkzeug's parser does not fit: it raises if a password is not ASCII, and it takes a token with "=" for parameters.
"""

from __future__ import annotations

from base64 import b64decode


def bearer_token(authorization: str) -> str | None:
    """Return the bearer token of a header (RFC 6750, section 2.1), or None."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def basic_password(authorization: str) -> bytes | None:
    """Return the password of a header (RFC 7617, section 2), or None."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = b64decode(value.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return password if colon else None
