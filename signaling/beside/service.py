"""The service that runs beside an app, as the app knows it."""

from __future__ import annotations

from ..config.env import SettingsError
from ..config.service_secret import derive
from ..config.settings import Settings
from ..config.values import signing_key
from .client import ServiceClient

DEFAULT_PREFIX = "/signaling"
"""The path in front of the routes of the extension, unless the app sets one."""


class BesideService:
    """The service that runs beside an app. It is at ``app.extensions["signaling"]``.

    Attributes:
        settings: the settings of the app; the key of the tokens is among them.
        url: the address of the service, without a slash at its end.
        control: what the app does with its calls and users.
        webhook_key: the key that signs the webhook of the service.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        """Derive the secrets of the app from the one that it shares with the service.

        Raises:
            SettingsError: ``SIGNALING_SERVICE_SECRET`` is not set.
        """
        secret = settings.service_secret
        if not secret:
            raise SettingsError(
                "SIGNALING_SERVICE_SECRET is not set: an app with SIGNALING_SERVICE_URL needs the secret of the "
                "service, 32 bytes or more, such as openssl rand -hex 32 prints"
            )
        self.settings = settings
        self.url = url.rstrip("/")
        self.control = ServiceClient(self.url, settings.api_token)
        self.webhook_key = signing_key(settings.webhook_secret or derive(secret, "webhook"))

    @property
    def websocket_url(self) -> str:
        """The address of the WebSocket, for browsers."""
        return f"{self.url.replace('http', 'ws', 1)}/ws"
