"""The service that runs beside an app, as the app knows it."""

from __future__ import annotations

from ..config.env import SettingsError
from ..config.service_secret import derive
from ..config.settings import Settings
from ..config.values import signing_keys
from .client import ServiceClient

DEFAULT_PREFIX = "/signaling"
"""The path in front of the routes of the extension, unless the app sets one."""


class BesideService:
    """The service that runs beside an app. It is at ``app.extensions["signaling"]``.

    Attributes:
        settings: the settings of the app; the key of the tokens is among them.
        url: the address of the service, without a slash at its end.
        control: what the app does with its calls and users.
        webhook_keys: the keys of the webhook of the service. While its secret changes, there are two.
        websocket_url: the address of its WebSocket for browsers, or the path on the host of the app.
    """

    def __init__(self, settings: Settings, url: str, public_url: str = "") -> None:
        """Derive the secrets of the app from the one that it shares with the service, unless they are set themselves.

        Args:
            settings: the settings of the app.
            url: the address of the service.
            public_url: the address of the service for browsers, or a path on the host of the app; empty for ``url``.

        Raises:
            SettingsError: a secret is not set.
        """
        if not settings.service_secret and not (settings.api_token and settings.jwt_key and settings.webhook_secret):
            raise SettingsError(
                "SIGNALING_SERVICE_SECRET is not set: an app with SIGNALING_SERVICE_URL needs the secret of the "
                "service, 32 bytes or more, such as openssl rand -hex 32 prints"
            )
        self.settings = settings
        self.url = url.rstrip("/")
        self.control = ServiceClient(self.url, settings.api_token)
        secrets = [settings.webhook_secret, settings.webhook_secret_fallback]
        if not settings.webhook_secret:
            shared = (settings.service_secret, settings.service_secret_fallback)
            secrets = [derive(each, "webhook") for each in shared if each]
        self.webhook_keys = signing_keys(*secrets)
        public = (public_url or url).rstrip("/")
        self.websocket_url = f"{f'ws{public[4:]}' if public.startswith('http') else public}/ws"
