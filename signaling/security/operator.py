"""The tokens of the operator's pages, and the limit on wrong guesses."""

from __future__ import annotations

import hmac
import logging
import time
from typing import NamedTuple

from flask import request

from ..config import privacy
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
        """Ask for the bearer token (RFC 6750) in one of the fields of the settings, or for its second value.

        With ``passwords``, the token is also accepted as the password of any user (RFC 7617).
        """
        names = (name for field in fields for name in (field, field + SUFFIX))
        self._tokens = {name: token.encode() for name in names if (token := getattr(settings, name))}
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
        if good := [name for name, token in self._tokens.items() if hmac.compare_digest(given, token)]:
            # Before the limit: guesses from behind the same proxy must not lock out the operator.
            if all(name.endswith(SUFFIX) for name in good):
                self._second_used.warning(f"Requests with {variable_name(good[0])}: %d")
            return None
        now = time.monotonic()
        key = rate_limit_key(address)
        if self._guesses.exhausted(key, now):
            words = f"Too many wrong tokens: {_GUESSES.words}."
            return Refusal(429, words, {"Retry-After": f"{_GUESSES.interval:g}"})
        rule = request.url_rule.rule if request.url_rule else "a page"
        path = privacy.path(request.path, rule)
        log.warning("A wrong token for %s from %s", quoted(path), privacy.client(address))
        self._guesses.try_acquire(key, now)
        return self._unauthorized()

    def is_operator(self, address: str) -> bool:
        """Return whether the request from ``address`` has the token, for a page that shows others less."""
        return bool(self._tokens) and self.check(address) is None

    def _given(self) -> bytes | None:
        header = request.headers.get("Authorization", "")
        token = bearer_token(header)
        if token is not None:
            return token.encode("latin-1", "replace")
        return basic_password(header) if self._passwords else None

    def _unauthorized(self) -> Refusal:
        return Refusal(401, "A token is needed.", {"WWW-Authenticate": self._challenge})
