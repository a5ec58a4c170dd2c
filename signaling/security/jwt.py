"""Who may join: the JSON Web Tokens (RFC 7519) of users.

``sub`` is who one is, ``peer`` whom one may call, and ``exp`` until when; they are looked at when a room is entered,
and never after that. Whoever was in a room may come back a little later than that: see :mod:`.resume`.
"""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
from jwt.exceptions import InvalidSubjectError

from ..config.env import SettingsError
from ..config.settings import Settings
from ..protocol.errors import MessageError, unauthorized
from ..protocol.messages import Message, User, resume_of
from .keys import Keys, UnusableKeyError
from .resume import ResumeTickets

MAX_CHARACTERS = 8_192
"""Of a token. To look at a longer one costs more than a stranger should cause."""

_LATEST = 2**53
"""The latest end of a token that is told from others, in seconds since 1970: JSON may hold any number."""

_WHY: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not yet valid",
    jwt.InvalidSignatureError: "the signature of the token is wrong",
    jwt.InvalidAlgorithmError: "the token is signed with an algorithm that its key is not for",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    InvalidSubjectError: "the sub of the token is no string",
}

_decode_text = msgspec.json.Decoder(str | None).decode


class JwtVerifier:
    """What checks tokens.

    Attributes:
        tickets: those with which one may come back when a token has expired.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the keys.

        Raises:
            SettingsError: no token can be checked with them.
        """
        try:
            self._keys = Keys(settings.jwt_key)
        except UnusableKeyError as error:
            raise SettingsError(f"SIGNALING_JWT_KEY is not usable: {error}") from None
        self.tickets = ResumeTickets(settings, self._keys.secret)
        self._audience = settings.jwt_audience or None
        self._issuer = settings.jwt_issuer or None
        self._leeway = settings.jwt_leeway
        self._options: Any = {"require": ["exp", "sub"], "verify_aud": self._audience is not None}

    def check(self, join: Message, user: User, remote: User) -> float:
        """Check that the token of ``join``, or else its resume ticket, lets ``user`` call ``remote``.

        Returns:
            When the token ends, in seconds since 1970.

        Raises:
            MessageError: ``unauthorized``, or ``invalid-message`` if the ticket is none at all.
        """
        ticket = resume_of(join)
        try:
            claims = self._decode(_token_of(join))
        except jwt.ExpiredSignatureError as error:
            # Its signature is that of a key of now, so that a ticket does not outlive the key.
            if isinstance(ticket, str):
                return self.tickets.check(ticket, user, remote)
            raise _refusal(error) from None
        except jwt.PyJWTError as error:
            raise _refusal(error) from None
        if claims["sub"] != user.key:
            raise unauthorized("the token is for another user")
        if "peer" in claims and remote.key not in _peers(claims["peer"]):
            raise unauthorized("the token is for another peer")
        return min(int(claims["exp"]), _LATEST) + self._leeway

    def verify(self, token: str) -> dict[str, Any]:
        """Return what a token claims, once it is sure that it is good.

        Raises:
            MessageError: ``unauthorized``, with nothing of the token in its words.
        """
        try:
            return self._decode(token)
        except jwt.PyJWTError as error:
            raise _refusal(error) from None

    def _decode(self, token: str) -> dict[str, Any]:
        if not token:
            raise unauthorized("a token is needed")
        if len(token) > MAX_CHARACTERS:
            raise unauthorized("the token is too long")
        key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
        if key is None:
            raise unauthorized("the key of the token is not known")
        return jwt.decode(
            token,
            key.material,
            algorithms=list(key.algorithms),
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options=self._options,
        )


def _refusal(error: jwt.PyJWTError) -> MessageError:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return unauthorized(f"the token has no {error.claim}")
    return unauthorized(_WHY.get(type(error), "the token is none"))


def _token_of(join: Message) -> str:
    try:
        return (join.token and _decode_text(join.token)) or (join.apiKey and _decode_text(join.apiKey)) or ""
    except msgspec.ValidationError:
        raise unauthorized("the token is no string") from None


def _peers(claim: object) -> set[str]:
    peers = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(peer, str | int) and not isinstance(peer, bool) for peer in peers):
        raise unauthorized("the peer of the token is neither a string nor a list of strings")
    return {str(peer) for peer in peers}
