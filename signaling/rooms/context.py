"""What all sessions of a worker share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..config.settings import Settings
from ..security.rate_limit import Rate
from ..telemetry.stats import Stats
from .registry import Registry

if TYPE_CHECKING:
    from ..security.jwt import JwtVerifier
    from .webhook import Webhook


class SessionContext(NamedTuple):
    """The rooms, the rules, and what is noted of it all."""

    settings: Settings
    registry: Registry
    stats: Stats
    verifier: JwtVerifier | None
    """What checks the token of a join; None while there is no authentication."""
    webhook: Webhook | None
    """Who is told of a user who waits; None while nobody is."""
    messages: Rate
    """How often one connection may send a message."""
    joins: Rate
    """How often one connection may join."""

    @classmethod
    def of(cls, settings: Settings, registry: Registry) -> SessionContext:
        """Return the service that the settings ask for.

        Raises:
            signaling.config.env.SettingsError: a setting cannot be used.
        """
        return cls(
            settings,
            registry,
            Stats(settings),
            _verifier(settings),
            _webhook(settings, registry),
            Rate.of(settings.message_rate, "messages", settings.message_burst),
            Rate.of(settings.join_rate, "joins", settings.join_rate, 60.0),
        )


def _verifier(settings: Settings) -> JwtVerifier | None:
    if not settings.jwt_key:
        return None
    # It takes some 10 MiB, which a service without authentication need not have.
    from ..security.jwt import JwtVerifier

    return JwtVerifier(settings)


def _webhook(settings: Settings, registry: Registry) -> Webhook | None:
    if not settings.webhook_url:
        return None
    from .webhook import Webhook

    return Webhook(settings, registry)
