"""Make a token for tests: ``python -m signaling.token alice --peer bob``.

In production your own app makes tokens for its users: see ``docs/authentication.md``.
"""

from __future__ import annotations

import argparse
import os
import sys

from .config.service_secret import derive
from .security.keys import UnusableKeyError
from .security.minting import find_signing_key, sign


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
    try:
        given = os.path.abspath(arguments.key) if arguments.key else environ("SIGNALING_JWT_KEY", "")
        if not given and (shared := environ("SIGNALING_SERVICE_SECRET")):
            given = derive(shared, "jwt")
        if not given:
            raise UnusableKeyError("it is not set")
        token = sign(
            find_signing_key(given, arguments.kid),
            ttl=arguments.ttl,
            sub=arguments.user,
            peer=arguments.peer,
            aud=arguments.audience,
            iss=arguments.issuer,
        )
    except UnusableKeyError as error:
        print(f"{arguments.key or 'SIGNALING_JWT_KEY'} cannot be used: {error}", file=sys.stderr)
        return 1
    print(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
