"""The methods of the extension that find their app by ``current_app``."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from flask import current_app

from ..config.extension_settings import DEFAULT_TTL
from ..config.settings import Settings
from ..node.reach import Reach
from ..rooms.events import Call, Listing, Waiting
from ..rooms.registry import Unavailable
from .callbacks import Authorizer


class CallNotAllowedError(PermissionError):
    """The authorizer of the app does not allow a call, so there is no token for it."""


class AppControl(Protocol):
    """The calls and the users of a service, in this process or beside it.

    Attributes:
        authorizes_joins: whether the authorizer of the app is asked at each join.
    """

    authorizes_joins: bool

    def calls(self, user: str | None = None) -> Listing[Call]:
        """Return the calls that go on, oldest first. It may wait."""

    def waiting(self, user: str | None = None, peer: str | None = None) -> Listing[Waiting]:
        """Return the users who wait for an absent peer, oldest first. It may wait."""

    def end(self, call_id: str, reason: str = "") -> Reach | None:
        """End a call; return None if there is none with this id. It may wait."""

    def disconnect(self, user: str, bar_seconds: float = 0, reason: str = "") -> Reach:
        """Close all connections of a user, and refuse their joins for a while. It may wait."""


class AppService(Protocol):
    """The service of an app, at ``app.extensions["signaling"]``."""

    @property
    def settings(self) -> Settings:
        """Return its settings."""

    @property
    def control(self) -> AppControl:
        """Return what an app does with its calls and users."""


class AppMethods:
    """The methods for an app, in an app context. They reach the users of all workers and hosts of the service."""

    def _service(self) -> AppService:
        raise NotImplementedError

    def _authorizer(self) -> Authorizer | None:
        raise NotImplementedError

    def _control(self) -> AppControl:
        return self._service().control

    def calls(self, user: object = None) -> Listing[Call]:
        """Return the calls that go on, oldest first, as a list.

        If Redis cannot be reached, the list has only calls of this worker, and its attribute ``partial`` is True.

        Args:
            user: the id of a user; without it, the calls of all users.

        Raises:
            signaling.Unavailable: the service that runs beside the app cannot be reached.
        """
        return self._control().calls(_optional(user))

    def waiting(self, user: object = None, peer: object = None) -> Listing[Waiting]:
        """Return the users who wait for an absent peer, oldest first, as a list like that of :meth:`calls`.

        Args:
            user: the id of a user; without it, all users who wait.
            peer: the id of the absent user; without it, all of them.

        Raises:
            signaling.Unavailable: the service that runs beside the app cannot be reached.
        """
        return self._control().waiting(_optional(user), _optional(peer))

    def end(self, call_id: str, reason: str = "") -> bool:
        """End a call, and return whether there was one. Its users get the error ``ended`` and the close code 4004.

        Args:
            call_id: the ``id`` of the :class:`~signaling.Call`.
            reason: a sentence for the users, on one line of at most 200 characters.

        Raises:
            signaling.Unavailable: Redis, another worker or the service cannot be reached.
            ValueError: the reason is too long or no line.
        """
        reach = self._control().end(call_id, reason)
        return reach is not None and _complete(reach) is reach

    def disconnect(self, user: object, bar_seconds: float = 0, reason: str = "") -> int:
        """Close all connections of ``user`` with 4004, and return their number. Their browsers do not reconnect.

        Call it when a user logs out or loses a right. The user of a connection is fixed at its handshake.

        Args:
            user: the id of the user.
            bar_seconds: seconds in which each join of the user is refused.
            reason: a sentence for the user, on one line of at most 200 characters.

        Raises:
            signaling.Unavailable: Redis, another worker or the service cannot be reached.
            ValueError: the seconds are negative or over a year; the reason is too long or no line.
        """
        return _complete(self._control().disconnect(str(user), bar_seconds, reason)).count

    def token(self, user: object, peer: object = None, ttl: float = DEFAULT_TTL) -> str:
        """Return a token with which ``user`` joins, signed with ``SIGNALING_JWT_KEY`` or the shared secret.

        It has the audience and the issuer of the settings.

        If the app has an authorizer, it is asked whether ``user`` may call ``peer``. A service that runs beside the app
        cannot ask it at the join.

        Args:
            user: the id of the user.
            peer: the id of the only peer, or a list of ids; without it, the token allows every peer.
            ttl: seconds that it is valid.

        Raises:
            CallNotAllowedError: a :class:`PermissionError`; the authorizer does not allow the call.
            SettingsError: ``SIGNALING_JWT_KEY`` is not set, or is a public key, which signs nothing.
            ValueError: the user or the peer is empty, or ``ttl`` is not positive. A token without a peer is also wrong
                if the app has an authorizer and the service runs beside it.
        """
        service = self._service()
        peers = _peers(peer)
        authorize = self._authorizer()
        if authorize is not None:
            if peers is None and not service.control.authorizes_joins:
                raise ValueError("This app has an authorizer, which only token() can ask: give token() the peer")
            for each in peers or ():
                allowed = current_app.ensure_sync(authorize)(str(user), each)
                # A coroutine that nobody has awaited would be true.
                if isinstance(allowed, Awaitable) or not allowed:
                    raise CallNotAllowedError(f"The authorizer does not allow {str(user)!r} to call {each!r}")
        # It loads 10 MiB of cryptography, which most services never use.
        from ..security.minting import mint

        return mint(service.settings, str(user), peers, ttl)


def _peers(peer: object) -> list[str] | None:
    if peer is None:
        return None
    return [str(each) for each in peer] if isinstance(peer, Sequence) and not isinstance(peer, str) else [str(peer)]


def _complete(reach: Reach) -> Reach:
    if reach.missing:
        raise Unavailable(f"No answer from {', '.join(reach.missing)}: connections there may still be open")
    return reach


def _optional(user: object) -> str | None:
    return None if user is None else str(user)
