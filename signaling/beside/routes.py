"""The routes of an app that runs beside the service: the webhook, the tokens for its pages, and the browser client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, abort, request

from ..config.env import SettingsError
from ..config.extension_settings import DEFAULT_TTL
from ..process.occasional_log import OccasionalLog
from ..protocol.messages import ID_MAX_CHARACTERS
from ..security.origins import Origins
from ..web import app_events
from ..web.app_methods import CallNotAllowedError
from ..web.callbacks import AppCallbacks, as_user
from ..web.problem import Problem
from ..web.settings_watch import SettingsWatch
from . import inbox
from .service import BesideService

log = logging.getLogger(__name__)

MAX_EVENT_BYTES = 65_536
"""Bytes of a message of the webhook."""

MAX_BODY_BYTES = 4_096
"""Bytes of a request for a token."""

REFUSED = "Messages to the webhook of the app that were refused: %d, the last one: %s"

Mint = Callable[[object, object], str]
"""Returns a token for a user and a peer, or None for any."""


class _TokenRequest(msgspec.Struct):
    peer: str | int | None = None


_decode_request = msgspec.json.Decoder(_TokenRequest).decode


def add_events(blueprint: Blueprint, app: Flask, service: BesideService, watch: SettingsWatch) -> None:
    """Add ``/events``, to which the service sends its webhook.

    It is answered before the app's functions of ``before_request``: the service has no session and no CSRF token, and
    it follows no redirect to a login. If a setting came too late, all routes answer 503.
    """
    received, refused = inbox.Received(), OccasionalLog(log)

    def receive() -> Response:
        request.max_content_length = MAX_EVENT_BYTES
        body = request.get_data()
        try:
            id_ = inbox.check(service.webhook_keys, request.headers, body, time.time())  # type: ignore[arg-type]
        except inbox.NotSignedError as error:
            refused.warning(REFUSED, str(error))
            raise Problem(401, str(error)) from None
        try:
            event = inbox.parse(body)
        except ValueError as error:
            refused.warning(REFUSED, str(error))
            raise Problem(400, str(error)) from None
        if event is None:
            return Response(status=204)
        with received.take(id_) as taking:
            if taking.is_new is None:
                raise Problem(503, "This message is being handled.", {"Retry-After": "1"})
            if taking.is_new:
                taking.done = app_events.send_signal(app, *event)
                if not taking.done:
                    # The service sends it again.
                    raise Problem(500, "A receiver of the signal failed; the log of the app has its traceback.")
        return Response(status=204)

    @blueprint.post("/events")
    def events() -> Response:
        try:
            return receive()
        except Problem as problem:
            return problem.response()

    # Flask calls this before any function of ``before_request``.
    @blueprint.url_value_preprocessor
    def answer_first(endpoint: str | None, _: dict[str, Any] | None) -> None:
        # Flask-WTF may come after this extension. The other route checks the origin itself.
        csrf: Any = app.extensions.get("csrf")
        if hasattr(csrf, "exempt"):
            csrf.exempt(blueprint)
        if watch.problem():
            abort(503, "This app has a wrong setting; its log says which.")
        if (endpoint or "").rpartition(".")[2] == "events" and request.method == "POST":
            abort(events())


def add_tokens(blueprint: Blueprint, app: Flask, service: BesideService, callbacks: AppCallbacks, mint: Mint) -> None:
    """Add ``/token``, from which a page of the app gets a token for its logged-in user.

    Args:
        blueprint: the routes of the extension.
        app: the app.
        service: the service that verifies the token.
        callbacks: the functions that the app has given. One knows the user of a request.
        mint: makes a token. It asks the authorizer of the app.
    """
    settings = service.settings
    origins = Origins(settings.allowed_origins, allow_missing=settings.allow_missing_origin)

    def make() -> dict[str, Any]:
        # A browser sends cookies along from any page. It asks first before it sends JSON to another origin.
        if not origins.allow(request.headers.get("Origin"), request.host, always_check=True):
            raise Problem(403, "Only a page of this app may ask for a token.")
        if request.mimetype != "application/json":
            raise Problem(415, 'Send JSON, such as {"peer": "bob"}.')
        request.max_content_length = MAX_BODY_BYTES
        try:
            peer = _decode_request(request.get_data()).peer
        except (msgspec.MsgspecError, RecursionError):
            raise Problem(400, 'Send JSON, such as {"peer": "bob"}.') from None
        if peer is not None and not 1 <= len(str(peer)) <= ID_MAX_CHARACTERS:
            raise Problem(400, f"The peer must have 1 to {ID_MAX_CHARACTERS} characters.")
        load_user = callbacks.load_user
        if load_user is None:
            raise Problem(403, "This app has no user_loader, so it knows no user who could get a token.")
        user = as_user(app.ensure_sync(load_user)())
        if user is None:
            raise Problem(401, "Nobody is logged in.")
        try:
            return {"token": mint(user.key, peer), "expiresIn": DEFAULT_TTL}
        except CallNotAllowedError:
            raise Problem(403, "This call is not allowed.") from None
        except SettingsError:
            raise
        except ValueError as error:
            raise Problem(400, f"{error}.") from None

    @blueprint.post("/token")
    def token() -> Response:
        try:
            response = Response(msgspec.json.encode(make()), mimetype="application/json")
        except Problem as problem:
            response = problem.response()
        response.headers["Cache-Control"] = "no-store"
        return response
