"""The rules that an app gives with ``user_loader`` and ``authorizer``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import gevent
from flask import Flask

from ..config.extension_settings import ExtensionSettings
from ..process.threads import in_plain_thread
from ..protocol import errors
from ..protocol.messages import User
from ..rooms.admission import UNKNOWN, Identity
from .app_events import report_exception
from .callbacks import AppCallbacks, as_user
from .settings_watch import SettingsWatch

log = logging.getLogger(__name__)

CLOSED = (
    "Every join is refused: this app does not say who may join. Set SIGNALING_JWT_KEY, give Signaling a user_loader, "
    "or set SIGNALING_OPEN = True to let anybody join as anybody"
)


class HookTimeoutError(Exception):
    """A user loader or an authorizer took too long."""


class AppAdmission:
    """The rules of one app."""

    def __init__(
        self, app: Flask, callbacks: AppCallbacks, settings: ExtensionSettings, watch: SettingsWatch, *, has_key: bool
    ) -> None:
        """Keep the rules of ``app``; ``has_key`` says whether the tokens of joins are verified."""
        self._app = app
        self._callbacks = callbacks
        self._watch = watch
        self._timeout = settings.hook_timeout
        self._needs_no_loader = settings.open or has_key
        self._warned = False

    @property
    def has_loader(self) -> bool:
        """Return whether users are those of the app, so that a browser's cookies decide who joins."""
        return self._callbacks.load_user is not None

    @property
    def has_authorizer(self) -> bool:
        """Return whether the app decides about each call."""
        return self._callbacks.authorize is not None

    @property
    def rules(self) -> object:
        """Return what is equal for two apps with the same rules."""
        # A key or openness is the same for two apps with equal settings; the users of a login are not.
        return self._needs_no_loader or self._callbacks

    def problem(self) -> str:
        """Return why nobody may connect, and nothing be served; empty if there is no reason."""
        return self._watch.problem()

    def identify(self) -> Identity:
        """Return the user of the present request. It may wait, and does not raise."""
        load_user = self._callbacks.load_user
        if load_user is None:
            if self._needs_no_loader:
                return UNKNOWN
            if not self._warned:
                self._warned = True
                log.error(CLOSED)
            return Identity(refusal=errors.unauthorized("this app does not say who may join"))
        try:
            user = as_user(self._run(load_user))
        except Exception as error:
            self._report("user_loader", error)
            return Identity(refusal=errors.no_join())
        return Identity(user, errors.unauthorized("nobody is logged in") if user is None else None)

    def authorize(self, user: User, peer: User) -> None:
        """Ask the app's authorizer, in an app context. Without one, every call is allowed.

        Raises:
            MessageError: ``unauthorized``; or ``unavailable``, which closes with 1013, if the authorizer failed.
        """
        authorize = self._callbacks.authorize
        if authorize is None:
            return
        try:
            with self._app.app_context():
                allowed = self._run(authorize, user.key, peer.key)
                if not isinstance(allowed, Awaitable):
                    allowed = bool(allowed)
        except Exception as error:
            self._report("authorizer", error)
            raise errors.no_join() from None
        if allowed is not True:
            raise errors.unauthorized("this call is not allowed")

    def _run(self, hook: Callable[..., Any], *arguments: str) -> Any:
        """Call a hook, an async one included, and convert all that stops it into an :class:`Exception`."""
        # Not an Exception, which the hook itself could catch and go on. In development nothing stops a hook, so that a
        # debugger can.
        timeout = nullcontext() if in_plain_thread() else gevent.Timeout(self._timeout)
        try:
            with timeout:
                return self._app.ensure_sync(hook)(*arguments)
        except gevent.Timeout as error:
            if error is not timeout:
                raise HookTimeoutError(f"a timeout of its own: {error}") from None
            raise HookTimeoutError(f"no answer within {self._timeout:g} seconds") from None
        except Exception:
            raise
        # Such as SystemExit, KeyboardInterrupt, GreenletExit and CancelledError. The client must get an answer.
        except BaseException as error:
            raise RuntimeError(f"it raised {error!r}") from error

    def _report(self, name: str, error: Exception) -> None:
        log.error("The %s failed; the client is refused", name, exc_info=error)
        report_exception(self._app, error)
