"""Making tokens: the claims, and the key that signs them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..config.env import SettingsError
from ..config.extension_settings import DEFAULT_TTL
from ..config.settings import Settings
from .keys import KINDS, PATHS, Key, UnusableKeyError, algorithms_of, parse, text_of

_WAY = "; sign with the private key yourself (docs/authentication.md), or set a secret that both sides know"


def mint(
    settings: Settings, user: str | int, peer: str | int | Sequence[str | int] | None = None, ttl: float = DEFAULT_TTL
) -> str:
    """Return a token with which ``user`` joins, signed with the secret of the settings.

    Args:
        settings: the settings of the server that verifies it. The token gets their audience and issuer.
        user: the user who joins with it.
        peer: the only peer, or the only peers, that it allows; None allows every peer.
        ttl: seconds that it is valid.

    Raises:
        SettingsError: ``SIGNALING_JWT_KEY`` is not set, or cannot sign.
        ValueError: the user or the peer is empty, or ``ttl`` is not positive.
    """
    peers = [] if peer is None else [peer] if isinstance(peer, str | int) else list(peer)
    # An empty claim would be left out, and the token would allow everybody.
    if any(str(each) == "" for each in (user, *peers)) or (peer is not None and not peers):
        raise ValueError("a token needs a user, and a peer that is given must not be empty")
    if not ttl > 0:
        raise ValueError(f"a token must be valid for a positive time, not {ttl!r} seconds")
    if not settings.jwt_key:
        raise SettingsError("SIGNALING_JWT_KEY is not set: a token needs a key that signs it")
    try:
        key = find_signing_key(settings.jwt_key)
    except UnusableKeyError as error:
        raise SettingsError(f"SIGNALING_JWT_KEY cannot sign tokens: {error}{_WAY}") from None
    return sign(
        key, sub=str(user), peer=[*map(str, peers)], aud=settings.jwt_audience, iss=settings.jwt_issuer, ttl=ttl
    )


def mint_for_check(settings: Settings) -> tuple[str, ...]:
    """Return tokens for two users with random names, who may call only each other; nothing if none are needed.

    Raises:
        SettingsError: tokens are needed, and ``SIGNALING_JWT_KEY`` cannot sign.
    """
    if not settings.jwt_key:
        return ()
    marker = secrets.token_hex(4)
    one, other = f"check-{marker}-alice", f"check-{marker}-bob"
    return mint(settings, one, other, ttl=60), mint(settings, other, one, ttl=60)


def sign(key: Key, *, ttl: float, **claims: Any) -> str:
    """Return a token with ``claims`` that is valid from now for ``ttl`` seconds; empty claims are left out."""
    now = int(time.time())
    payload = {name: value for name, value in claims.items() if value} | {"iat": now, "exp": int(now + ttl)}
    return jwt.encode(payload, key.material, key.algorithms[0], {"kid": key.kid} if key.kid else None)


def find_signing_key(given: str, kid: str | None = None) -> Key:
    """Return the key that signs tokens: a private key in PEM, or a secret, alone or in a JWKS.

    Args:
        given: the key, or the path of its file.
        kid: the id of the key in the JWKS; None for the first secret.

    Raises:
        UnusableKeyError: there is no key that can sign.
    """
    text = text_of(given) if given.startswith(PATHS) else given
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
        raise UnusableKeyError("it only verifies tokens; a private key or a secret signs them")
    return keys[0]
