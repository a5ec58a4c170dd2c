"""The JSON Web Tokens (RFC 7519) that let users join.

``sub`` is the user, ``peer`` the user they may call, and ``exp`` the end. A token is checked at each join and at no
other time. A user may come back to their room for a while after the end: see :mod:`.resume`.
"""

from __future__ import annotations

import logging
from typing import Any

import jwt
import msgspec
from jwt.exceptions import InvalidSubjectError

from ..config.env import SettingsError
from ..config.settings import Settings
from ..process.occasional_log import OccasionalLog
from ..protocol.errors import MessageError, unauthorized
from ..protocol.messages import Message, User, resume_of
from .keys import Key, Keys, UnusableKeyError
from .resume import ResumeTickets

log = logging.getLogger(__name__)

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
        """Read the keys of ``SIGNALING_JWT_KEY``, and of its second value.

        Raises:
            SettingsError: a key is not usable.
        """
        self._sources = [_read("SIGNALING_JWT_KEY", settings.jwt_key)]
        if settings.jwt_key_fallback:
            self._sources.append(_read("SIGNALING_JWT_KEY_FALLBACK", settings.jwt_key_fallback))
        self._second_used = OccasionalLog(log)
        self.tickets = ResumeTickets(settings, self._sources)
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
        kid = jwt.get_unverified_header(token).get("kid")
        refusal: MessageError | jwt.PyJWTError = unauthorized("the key of the token is not known")
        for number, keys in enumerate(self._sources):
            key = keys.find(kid)
            if key is None:
                continue
            try:
                claims = self._decode_with(key, token)
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
                refusal = error
                continue
            if number:
                self._second_used.warning("Tokens of SIGNALING_JWT_KEY_FALLBACK: %d")
            return claims
        raise refusal

    def _decode_with(self, key: Key, token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.material,
            algorithms=list(key.algorithms),
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options=self._options,
        )


def _read(variable: str, given: str) -> Keys:
    try:
        return Keys(given)
    except UnusableKeyError as error:
        raise SettingsError(f"{variable} is not usable: {error}") from None


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
