"""The Flask extension: it adds the service to any Flask app."""

from __future__ import annotations

import os
import re
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app

from .cli.group import add_commands
from .config.app_config import DEFAULT_NAME, AppConfig
from .config.env import SettingsError
from .rooms.registry import Registry
from .web.app_methods import AppMethods, AppService
from .web.blueprint import SignalingBlueprint
from .web.callbacks import AppCallbacks, Authorizer, AuthorizerT, UserLoaderT
from .web.settings_watch import AppSettingsError, SettingsWatch
from .web.tags import add_tags

if TYPE_CHECKING:
    from .testing import SignalingClient

_is_name = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch


class Signaling(AppMethods):
    """WebRTC signaling for a Flask app.

    Use ``Signaling(app)``, or ``init_app`` in an app factory. The routes are ``/`` (the call page and the WebSocket),
    ``/ws`` (the WebSocket), ``/ice-servers``, ``/healthz`` and ``/static/``, all under ``url_prefix``. The settings can
    add ``/api``, ``/metrics`` and ``/ops``.

    Each app gets its own :class:`~signaling.node.node.Node`, at ``app.extensions["signaling"]``, with its own settings,
    rooms, connections and stats. Users of two apps in one process never meet.

    One app may have several instances, each with a name of its own. ``Signaling(name="support")`` has its blueprint
    ``support``, its routes under ``/support``, its settings ``SUPPORT_SIGNALING_…``, and its node at
    ``app.extensions["signaling.support"]``. Users of two instances never meet.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        name: str = DEFAULT_NAME,
        url_prefix: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        """Keep the options for each app.

        Args:
            app: an app to initialize at once.
            name: the name of the instance, if an app has several: up to 32 lower-case letters, digits, ``-`` and ``_``.
            url_prefix: the path in front of all routes; a named instance is under its name by default.
            registry: the rooms of the app. With a registry, the object can initialize only one app.

        Raises:
            ValueError: the name has another form, or begins with ``signaling`` as the settings do.
        """
        if not _is_name(name) or (name.startswith(DEFAULT_NAME) and name != DEFAULT_NAME):
            raise ValueError(
                f"Signaling(name={name!r}): write up to 32 lower-case letters, digits, - and _, a letter first, "
                f"and not {DEFAULT_NAME} at the beginning"
            )
        self.name = name
        self.url_prefix = url_prefix
        self._key = DEFAULT_NAME if name == DEFAULT_NAME else f"{DEFAULT_NAME}.{name}"
        self._callbacks = AppCallbacks()
        self._registry = registry
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def user_loader(self, load_user: UserLoaderT) -> UserLoaderT:
        """Decorate the function that returns the id of the logged-in user, or None.

        It runs once for each connection, in the request of its handshake, so sessions and cookies work. It fixes the
        user of the connection: a ``join`` may leave out ``userId``, and may name no other user. If it returns None,
        the connection may not join. Only pages of the own origin, or of ``SIGNALING_ALLOWED_ORIGINS``, may connect.

        An id is a ``str``, an ``int`` or a ``UUID``, and no user object. If the app runs beside the service, the
        function runs in each request for a token.
        """
        self._callbacks.load_user = load_user
        return load_user

    def authorizer(self, authorize: AuthorizerT) -> AuthorizerT:
        """Decorate the function that returns whether a user may call a peer: ``authorize(user, peer)``.

        It runs in an app context, at each join. If it returns a false value, the client gets ``unauthorized`` and the
        close code 4003. If it raises, or takes longer than ``SIGNALING_HOOK_TIMEOUT``, the close code is 1013.

        Both ids are text, and a client can send any text as ``peer``. If the app runs beside the service, the function
        runs when a token is made, and not at the join.
        """
        self._callbacks.authorize = authorize
        return authorize

    def init_app(self, app: Flask) -> None:
        """Add the routes to ``app``, and its node as ``app.extensions["signaling"]``.

        With ``SIGNALING_SERVICE_URL``, the app gets no node: it is a client of the service that runs beside it.

        Raises:
            signaling.config.env.SettingsError: a setting has a wrong value.
            RuntimeError: the app has an instance or a blueprint of this name already, or another app uses the given
                registry.
        """
        self._check(app)
        try:
            config = AppConfig(self.name, app.config, os.environ)
            try:
                service = (self._run_beside if config.own.service_url else self._embed)(app, config)
            except SettingsError as error:
                raise config.named(error) from None
        except SettingsError as error:
            raise AppSettingsError(str(error)) from None
        add_tags(app)
        add_commands(app)
        app.extensions[self._key] = service
        self._apps.add(app)

    def _embed(self, app: Flask, config: AppConfig) -> AppService:
        # An app that runs beside the service has no use for gevent, and may not have it patched.
        from .web.embedded import add_routes, make_node

        node = make_node(app, config, SettingsWatch(app, config), self._callbacks, self._registry)
        url_prefix = self._url_prefix(app, config, "" if self.name == DEFAULT_NAME else f"/{self.name}")
        add_routes(app, self.name, node, url_prefix, show_page=config.own.page)
        node.test_client = partial(_test_client, app, name=self.name)
        return node

    def _run_beside(self, app: Flask, config: AppConfig) -> AppService:
        # A service, or an app that embeds it, has no use for a client of the HTTP API.
        from .beside.app import add_routes_beside
        from .beside.service import DEFAULT_PREFIX, BesideService

        service = BesideService(config.settings, config.own.service_url, config.own.service_public_url)
        url_prefix = self._url_prefix(app, config, DEFAULT_PREFIX if self.name == DEFAULT_NAME else f"/{self.name}")
        watch = SettingsWatch(app, config)
        add_routes_beside(app, self.name, service, url_prefix, self._callbacks, self.token, watch)
        return service

    def _url_prefix(self, app: Flask, config: AppConfig, default: str) -> str:
        url_prefix = self.url_prefix or config.own.url_prefix or default
        others = (each for each in app.blueprints.values() if isinstance(each, SignalingBlueprint))
        if any((each.url_prefix or "").rstrip("/") == url_prefix.rstrip("/") for each in others):
            raise RuntimeError(
                f"This app has an instance of the service under {url_prefix or '/'} already: give each a url_prefix."
            )
        return url_prefix

    def _check(self, app: Flask) -> None:
        if self._key in app.extensions:
            raise RuntimeError(
                "This app has the signaling service already: initialise each app once, "
                'or give one of the two a name, such as Signaling(name="support").'
            )
        if self.name in app.blueprints:
            raise RuntimeError(
                f"This app has a blueprint named {self.name!r} already: give the service another name, "
                'such as Signaling(name="calls").'
            )
        if self._registry is not None and self._apps:
            raise RuntimeError("Another app has this registry: make one Signaling and one registry for each app.")

    def _authorizer(self) -> Authorizer | None:
        return self._callbacks.authorize

    def _service(self) -> AppService:
        """Return the node of the current app, or the service that runs beside it.

        Raises:
            RuntimeError: there is no app context, or ``init_app`` was not called for this app.
        """
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        if app not in self._apps:
            raise RuntimeError(
                f"This Signaling object does not serve the app {app.name!r}: call init_app with it, "
                "or use the object that was given to it."
            )
        service: AppService = app.extensions[self._key]
        return service


def _test_client(app: Flask, *arguments: Any, **options: Any) -> SignalingClient:
    """Return a client for tests. Only tests load it."""
    from .testing import SignalingClient

    return SignalingClient(app, *arguments, **options)
