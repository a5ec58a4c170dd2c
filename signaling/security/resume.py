"""Resume tickets: they let a user back into their room for a minute after the end of their token.

A restart of the server does not end a call in which media flow. But a token of five minutes may have expired by then.
So the reply to a join holds a ticket, which is valid for that user in that room only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from typing import Any

import jwt

from ..config.settings import Settings
from ..protocol.errors import unauthorized
from ..protocol.messages import User
from .keys import Keys
from .start_secret import START_SECRET

GRACE_SECONDS = 60.0
"""Seconds after the end of a token in which its user may come back."""

MAX_CHARACTERS = 2_048
"""The longest ticket. A ticket with the longest ids is shorter."""

_ALGORITHM = "HS256"
_CLAIMS = ["sub", "peer", "exp"]


class ResumeTickets:
    """The issuer of the tickets, which are JSON Web Tokens (RFC 7519) that only this service can sign."""

    def __init__(self, settings: Settings, sources: Sequence[Keys]) -> None:
        """Derive keys from ``SIGNALING_RESUME_SECRET``, or from the secrets in ``sources``, the keys of users' tokens.

        If there is neither, tickets are valid until the service ends.
        """
        self._own = [each.encode() for each in (settings.resume_secret, settings.resume_secret_fallback) if each]
        # A ticket of another service or app must not count here: it has other rooms and other rules.
        instance = [settings.jwt_audience, settings.jwt_issuer, settings.redis_prefix]
        self._sources = [
            (keys, json.dumps(["signaling resume ticket", keys.given, *instance]).encode()) for keys in sources
        ]

    def _keys(self) -> Iterator[bytes]:
        """Yield the present keys. The first one signs, and a secret that changes is behind the others."""
        for keys, words in self._sources:
            for material in self._own or keys.secrets or [START_SECRET]:
                yield hmac.digest(material, words, hashlib.sha256)

    def issue(self, user: User, remote: User, token_end: float) -> str:
        """Return a ticket for ``user`` in the room with ``remote``.

        Args:
            user: the user whose token was valid.
            remote: their peer.
            token_end: the end of their token, in seconds since 1970.
        """
        claims = {"sub": user.key, "peer": remote.key, "exp": token_end + GRACE_SECONDS}
        return jwt.encode(claims, next(self._keys()), _ALGORITHM)

    def check(self, ticket: str, user: User, remote: User) -> float:
        """Check that a ticket lets ``user`` back into the room with ``remote``, and return the end of its token.

        Raises:
            MessageError: ``unauthorized``.
        """
        if len(ticket) > MAX_CHARACTERS:
            raise unauthorized("the resume ticket is too long")
        try:
            claims = self._decode(ticket)
        except jwt.ExpiredSignatureError:
            raise unauthorized("the token and the resume ticket have expired") from None
        except jwt.PyJWTError:
            raise unauthorized("the token has expired, and the resume ticket is not from this server") from None
        if (claims["sub"], claims["peer"]) != (user.key, remote.key):
            raise unauthorized("the resume ticket is for another room")
        return float(claims["exp"]) - GRACE_SECONDS

    def _decode(self, ticket: str) -> dict[str, Any]:
        error: jwt.PyJWTError = jwt.InvalidSignatureError()
        for key in self._keys():
            try:
                return jwt.decode(ticket, key, [_ALGORITHM], options={"require": _CLAIMS})
            except jwt.InvalidSignatureError as other:
                error = other
        raise error
