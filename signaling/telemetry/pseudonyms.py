"""The names of users in the log and on the operator's page: the ids themselves, or hashes of them. Pure."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

from ..config.settings import Settings

_DAY_SECONDS = 86_400
_SHOWN = 16


class Pseudonyms:
    """The names of users as they may be shown.

    Attributes:
        hides: whether they are not the ids themselves.
        secret: returns the secret of this process, or the one that all nodes share.
    """

    def __init__(self, settings: Settings, secret: Callable[[], bytes]) -> None:
        """Hash ids if the settings say so; without a salt of theirs, the ``secret`` and the day are the salt."""
        self.hides = settings.privacy or settings.hash_ids
        self.secret = secret
        self._salted = settings.privacy
        self._salt = settings.privacy_salt.encode()

    def name(self, user: str) -> str:
        """Return the id of a user as it may be shown."""
        if not self.hides:
            return user
        if not self._salted:
            return hashlib.sha256(user.encode()).hexdigest()[:_SHOWN]
        if self._salt:
            return hmac.digest(self._salt, user.encode(), "sha256").hex()[:_SHOWN]
        # The day is that of UTC. So all nodes change at the same time, and no day can be joined with another one.
        day = int(time.time()) // _DAY_SECONDS
        return hmac.digest(self.secret(), f"{day} {user}".encode(), "sha256").hex()[:_SHOWN]
