"""The objects that all sessions of a node share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..config.settings import Settings
from ..security.rate_limit import Rate
from ..security.start_secret import START_SECRET
from ..telemetry.stats import Stats
from .admission import Admission
from .registry import Registry
from .user_sessions import UserSessions

if TYPE_CHECKING:
    from ..security.jwt import JwtVerifier
    from .webhook import Webhook


class SessionContext(NamedTuple):
    """The settings, the rooms, the rules and the stats."""

    settings: Settings
    registry: Registry
    stats: Stats
    admission: Admission | None
    """The rules of the app, or None if every call is allowed."""
    verifier: JwtVerifier | None
    """The check of a join's token; None without authentication."""
    webhook: Webhook | None
    """The announcements of calls and of users who wait; None without a webhook."""
    sessions: UserSessions
    """The sessions by their users."""
    message_rate: Rate
    """The limit on the messages of one connection."""
    join_rate: Rate
    """The limit on the joins of one connection."""
    logs_sessions: bool
    """Whether the log has the lines of each connection and room, and not only one of each call."""

    @classmethod
    def of(cls, settings: Settings, registry: Registry, admission: Admission | None = None) -> SessionContext:
        """Return the context that ``settings`` ask for, over the rooms of ``registry``.

        Without an ``admission``, every call is allowed.

        Raises:
            signaling.config.env.SettingsError: a setting cannot be used.
        """
        stats = Stats(settings, lambda: START_SECRET)
        logs_calls = settings.log_events == "calls"
        if logs_calls:
            stats.calls.on_answer = registry.directory.answered
        return cls(
            settings,
            registry,
            stats,
            admission,
            _verifier(settings),
            _webhook(settings, registry),
            UserSessions(),
            Rate.of(settings.message_rate, "messages", settings.message_burst),
            Rate.of(settings.join_rate, "joins", settings.join_rate, 60.0),
            not logs_calls or settings.log_level == "debug",
        )


def _verifier(settings: Settings) -> JwtVerifier | None:
    if not settings.jwt_key:
        return None
    # Import it only if needed: it takes some 10 MiB.
    from ..security.jwt import JwtVerifier

    return JwtVerifier(settings)


def _webhook(settings: Settings, registry: Registry) -> Webhook | None:
    if not settings.webhook_url:
        return None
    from .webhook import Webhook

    return Webhook(settings, registry)
