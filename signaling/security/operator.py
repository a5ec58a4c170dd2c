"""Lets in whoever has the token, and makes those wait who guess at it."""

from __future__ import annotations

import hmac
import logging
import time

from flask import Response, request

from ..config.logging import quoted
from .client_ip import rate_limit_key
from .credentials import basic_password, bearer_token
from .rate_limit import Rate, TokenBucket

log = logging.getLogger(__name__)

_WRONG = Rate.of(10, "wrong tokens", 10, 60.0)

_MAX_ADDRESSES = 10_000
"""Addresses that are known for wrong tokens at the most; those that came first are forgotten first."""


class OperatorAuth:
    """The door of one page."""

    def __init__(self, token: str, *, passwords: bool = False) -> None:
        """Ask for ``token`` as a bearer token (RFC 6750); with ``passwords`` as the password of any user, too."""
        self._token = token.encode()
        self._passwords = passwords
        self._challenge = 'Basic realm="operator", charset="UTF-8"' if passwords else "Bearer"
        self._wrong: dict[str, TokenBucket] = {}

    def check(self, address: str) -> Response | None:
        """Return the response for a request from ``address`` that is not let in, None if it is."""
        given = self._given()
        if given is None:
            # A browser sends the password when it is asked for it.
            return self._refuse(401, "A token is needed.", {"WWW-Authenticate": self._challenge})
        if hmac.compare_digest(given, self._token):
            # Before all else: who guesses behind the same proxy must not lock out the operator.
            return None
        now = time.monotonic()
        key = rate_limit_key(address)
        if key in self._wrong and self._wrong[key].exhausted(now):
            return self._refuse(429, f"Too many wrong tokens: {_WRONG.words}.", {"Retry-After": f"{_WRONG.interval:g}"})
        log.warning("A wrong token for %s from %s", quoted(request.path), address or "a Unix socket")
        self._count(key, now)
        return self._refuse(401, "A token is needed.", {"WWW-Authenticate": self._challenge})

    def _given(self) -> bytes | None:
        header = request.headers.get("Authorization", "")
        token = bearer_token(header)
        if token is not None:
            return token.encode("latin-1", "replace")
        return basic_password(header) if self._passwords else None

    def _count(self, key: str, now: float) -> None:
        bucket = self._wrong.pop(key, None) or TokenBucket(_WRONG)
        # In the order of the last try, so that the first ones are the first to be full again.
        while self._wrong and (len(self._wrong) >= _MAX_ADDRESSES or next(iter(self._wrong.values())).idle(now)):
            del self._wrong[next(iter(self._wrong))]
        self._wrong[key] = bucket
        bucket.try_acquire(now)

    @staticmethod
    def _refuse(status: int, words: str, headers: dict[str, str]) -> Response:
        return Response(words + "\n", status, {"Cache-Control": "no-store", **headers}, mimetype="text/plain")
