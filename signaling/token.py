"""Make a token for tests: ``python -m signaling.token alice --peer bob``.

In production your own app makes tokens for its users: see ``docs/authentication.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .security.keys import KINDS, PATHS, Key, UnusableKeyError, algorithms_of, parse, text_of


def make(key: Key, **claims: Any) -> str:
    """Return a token with ``claims``, signed with a secret or a private key; empty claims are left out."""
    payload = {name: value for name, value in claims.items() if value}
    return jwt.encode(payload, key.material, key.algorithms[0], {"kid": key.kid} if key.kid else None)


def signing_key(text: str, kid: str | None = None) -> Key:
    """Return the key in ``text`` that signs tokens: a private key in PEM, or a secret, alone or in a JWKS.

    Raises:
        UnusableKeyError: the text has no key that can sign.
    """
    if "PRIVATE KEY-----" in text:
        try:
            private: Any = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise UnusableKeyError("it is not a private key in PEM, or it is encrypted") from None
        if not (algorithms := algorithms_of(private.public_key())):
            raise UnusableKeyError(KINDS)
        return Key(private, algorithms, kid)
    keys = [key for key in parse(text).keys if isinstance(key.material, bytes) and kid in (None, key.kid)]
    if not keys:
        raise UnusableKeyError("it only verifies tokens; name the private key or the secret with --key FILE")
    return keys[0]


def main() -> int:
    """Print the token of the command line, and return the exit status."""
    environ = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m signaling.token", description="Make a token for tests.")
    parser.add_argument("user", help="the user who joins with it (sub)")
    parser.add_argument("--peer", metavar="USER", action="append", help="the only peer it allows; repeat it for more")
    parser.add_argument("--ttl", metavar="SECONDS", type=int, default=3_600, help="how long it is valid; %(default)d")
    parser.add_argument("--audience", default=environ("SIGNALING_JWT_AUDIENCE"), help="the server it is for (aud)")
    parser.add_argument("--issuer", default=environ("SIGNALING_JWT_ISSUER"), help="the app that made it (iss)")
    parser.add_argument("--key", metavar="FILE", help="a private key in PEM, or a secret; default SIGNALING_JWT_KEY")
    parser.add_argument("--kid", metavar="ID", help="the id of the key in the JWKS")
    arguments = parser.parse_args()
    now = int(time.time())
    try:
        key = os.path.abspath(arguments.key) if arguments.key else environ("SIGNALING_JWT_KEY", "")
        if not key:
            raise UnusableKeyError("it is not set")
        token = make(
            signing_key(text_of(key) if key.startswith(PATHS) else key, arguments.kid),
            sub=arguments.user,
            peer=arguments.peer,
            aud=arguments.audience,
            iss=arguments.issuer,
            iat=now,
            exp=now + arguments.ttl,
        )
    except UnusableKeyError as error:
        print(f"{arguments.key or 'SIGNALING_JWT_KEY'} cannot be used: {error}", file=sys.stderr)
        return 1
    print(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
