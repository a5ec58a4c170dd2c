"""The extension in an app that runs beside the service."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask

from ..config.extension_settings import ExtensionSettings
from ..config.settings import Settings
from ..web.callbacks import UserLoader
from .routes import Mint, add_events, add_tokens
from .service import DEFAULT_PREFIX, BesideService


def run_beside(
    app: Flask,
    settings: Settings,
    own: ExtensionSettings,
    url_prefix: str | None,
    loader: Callable[[], UserLoader | None],
    mint: Mint,
) -> BesideService:
    """Add the routes to ``app``, and return the service that it is a client of.

    Args:
        app: the app.
        settings: its settings.
        own: those that only an app has. They have the address of the service.
        url_prefix: the path in front of the routes; None for :data:`~signaling.beside.service.DEFAULT_PREFIX`.
        loader: returns the function that knows the user of a request, if the app has given it.
        mint: makes a token. It asks the authorizer of the app.

    Raises:
        signaling.config.env.SettingsError: there is no shared secret.
    """
    service = BesideService(settings, own.service_url, own.service_public_url)
    # The pages load the browser client from their own origin. It has nothing but its own modules.
    blueprint = Blueprint(
        "signaling",
        __package__ or "",
        url_prefix=url_prefix or DEFAULT_PREFIX,
        static_folder="../web/static/client",
        static_url_path="/static",
    )
    add_events(blueprint, app, service)
    add_tokens(blueprint, app, service, loader, mint)
    app.register_blueprint(blueprint)
    return service
