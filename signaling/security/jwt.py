"""The JSON Web Tokens (RFC 7519) that let users join.

``sub`` is the user, ``peer`` the user they may call, and ``exp`` the end. A token is checked at each join and at no
other time. A user may come back to their room for a while after the end: see :mod:`.resume`.
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
"""The longest token. To parse a longer one costs more than a stranger should cause."""

_LATEST = 2**53
"""The latest end of a token, in seconds since 1970. JSON may hold any number, and later ones count as this."""

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
    """The check of users' tokens.

    Attributes:
        tickets: the resume tickets for users whose token has expired.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the keys of ``SIGNALING_JWT_KEY``.

        Raises:
            SettingsError: a key is not usable.
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
        """Check that ``join`` lets ``user`` call ``remote``.

        If its token has expired, a resume ticket beside it counts.

        Returns:
            The end of the token, in seconds since 1970.

        Raises:
            MessageError: ``unauthorized``, or ``invalid-message`` if the ticket has the wrong type.
        """
        ticket = resume_of(join)
        try:
            claims = self._decode(_token_of(join))
        except jwt.ExpiredSignatureError as error:
            # The signature is verified first, so a ticket does not outlive its key.
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
        """Return the claims of a valid token.

        Raises:
            MessageError: ``unauthorized``. Its text holds nothing of the token.
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
