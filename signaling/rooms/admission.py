"""The interface of the rules of an app: which user a connection has, and which calls it may join."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..protocol.errors import MessageError
from ..protocol.messages import User


class Identity(NamedTuple):
    """The user of a connection, fixed at its handshake."""

    user: User | None = None
    """The user, or None if the client names itself in each join."""
    refusal: MessageError | None = None
    """The reason why this connection may not join, or None."""


UNKNOWN = Identity()
"""A client that names itself."""


class Admission(Protocol):
    """The rules of an app for its users."""

    @property
    def has_authorizer(self) -> bool:
        """Return whether the app decides about each call. Otherwise every call is allowed."""

    def authorize(self, user: User, peer: User) -> None:
        """Return if ``user`` may join a call with ``peer``. It may wait.

        Raises:
            MessageError: ``unauthorized``; or ``unavailable`` if the app cannot decide.
        """


class AppRules(Admission, Protocol):
    """The rules of an app, as its node needs them."""

    @property
    def has_loader(self) -> bool:
        """Return whether the app names the user of each connection."""

    @property
    def rules(self) -> object:
        """Return what is equal for two apps with the same rules, such as one app in two workers."""

    def problem(self) -> str:
        """Return why nobody may connect, in a line for the log; empty if there is no reason."""

    def identify(self) -> Identity:
        """Return the user of the present request. It may wait, and does not raise."""
