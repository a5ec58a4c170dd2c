"""Users without a socket: a session whose client is a list."""

from __future__ import annotations

import json
from typing import Any

from signaling.registry import Registry
from signaling.service import Service
from signaling.session import Session
from signaling.settings import Settings

DEFAULTS = Settings()


class Person:
    """A user's connection as the session sees it: what was sent to it, and with what it was closed."""

    def __init__(self, registry: Registry, settings: Settings = DEFAULTS) -> None:
        self.inbox: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.session = Session(Service.of(settings, registry), self)

    # What a session sends to.

    def send_text(self, *payloads: bytes) -> None:
        self.inbox += map(json.loads, payloads)

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = int(code)

    # What a client does.

    def says(self, message: Any = None, **fields: Any) -> Person:
        text = message if isinstance(message, str | bytes) else json.dumps(fields if message is None else message)
        if not self.session.relay(text):
            self.session.receive(text)
        return self

    def joins(self, user: Any, remote: Any, **asked: Any) -> Person:
        return self.says(type="join", userId=user, remoteId=remote, **asked)

    def drops(self, code: int = 1006) -> Person:
        self.session.end(code)
        return self

    def hears(self) -> list[dict[str, Any]]:
        """Take what was sent so far."""
        heard, self.inbox = self.inbox, []
        return heard

    def hears_types(self) -> list[str]:
        return [reply["type"] for reply in self.hears()]
