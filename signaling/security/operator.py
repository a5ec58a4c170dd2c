"""The tokens of the operator's pages, and the limit on wrong guesses."""

from __future__ import annotations

import hmac
import logging
import time
from typing import NamedTuple

from flask import request

from ..config.env import variable_name
from ..config.fallbacks import SUFFIX
from ..config.logging import quoted
from ..config.settings import Settings
from ..process.occasional_log import OccasionalLog
from .client_ip import rate_limit_key
from .credentials import basic_password, bearer_token
from .rate_limit import Rate, TokenBuckets

log = logging.getLogger(__name__)

_GUESSES = Rate.of(10, "wrong tokens", 10, 60.0)

_MAX_ADDRESSES = 10_000
"""The number of addresses whose wrong tokens are remembered."""


class Refusal(NamedTuple):
    """The answer to a request without the right token."""

    status: int
    """The HTTP status."""
    words: str
    """The reason in a sentence."""
    headers: dict[str, str]


class OperatorAuth:
    """The authentication of one page."""

    def __init__(self, settings: Settings, *fields: str, passwords: bool = False) -> None:
        """Ask for a bearer token (RFC 6750) of some fields of the settings, or for a second value of them.

        With ``passwords``, the token is also accepted as the password of any user (RFC 7617).
        """
        names = [name for field in fields for name in (field, field + SUFFIX)]
        self._tokens = [(name, getattr(settings, name).encode()) for name in names if getattr(settings, name)]
        self._second_used = OccasionalLog(log)
        self._passwords = passwords
        self._challenge = 'Basic realm="operator", charset="UTF-8"' if passwords else "Bearer"
        self._guesses = TokenBuckets(_GUESSES, _MAX_ADDRESSES)

    def check(self, address: str) -> Refusal | None:
        """Return why the request from ``address`` is refused, or None if its token is right."""
        given = self._given()
        if given is None:
            # Browsers send a password only after this challenge.
            return self._unauthorized()
        if found := [name for name, token in self._tokens if hmac.compare_digest(given, token)]:
            if found[0].endswith(SUFFIX):
                self._second_used.warning(f"Requests with {variable_name(found[0])}: %d")
            # Before the limit: guesses from behind the same proxy must not lock out the operator.
            return None
        now = time.monotonic()
        key = rate_limit_key(address)
        if self._guesses.exhausted(key, now):
            words = f"Too many wrong tokens: {_GUESSES.words}."
            return Refusal(429, words, {"Retry-After": f"{_GUESSES.interval:g}"})
        log.warning("A wrong token for %s from %s", quoted(request.path), address or "a Unix socket")
        self._guesses.try_acquire(key, now)
        return self._unauthorized()

    def _given(self) -> bytes | None:
        header = request.headers.get("Authorization", "")
        token = bearer_token(header)
        if token is not None:
            return token.encode("latin-1", "replace")
        return basic_password(header) if self._passwords else None

    def _unauthorized(self) -> Refusal:
        return Refusal(401, "A token is needed.", {"WWW-Authenticate": self._challenge})
