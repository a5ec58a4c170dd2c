"""The routes of the extension in an app that runs beside the service."""

from __future__ import annotations

from flask import Flask

from ..web.blueprint import SignalingBlueprint
from ..web.callbacks import AppCallbacks
from ..web.settings_watch import SettingsWatch
from .routes import Mint, add_events, add_tokens
from .service import BesideService


def add_routes_beside(
    app: Flask,
    name: str,
    service: BesideService,
    url_prefix: str,
    callbacks: AppCallbacks,
    mint: Mint,
    watch: SettingsWatch,
) -> None:
    """Add the routes to ``app``.

    Args:
        app: the app.
        name: the name of the instance.
        service: the service that the app is a client of.
        url_prefix: the path in front of the routes.
        callbacks: the functions that the app has given. One knows the user of a request.
        mint: makes a token. It asks the authorizer of the app.
        watch: the watch over settings that come too late.
    """
    # The pages load the browser client from their own origin. It has nothing but its own modules.
    blueprint = SignalingBlueprint(
        name,
        __package__ or "",
        url_prefix=url_prefix,
        static_folder="../web/static/client",
        static_url_path="/static",
    )
    add_events(blueprint, app, service, watch)
    add_tokens(blueprint, app, service, callbacks, mint)
    app.register_blueprint(blueprint)
