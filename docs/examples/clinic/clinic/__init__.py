"""A clinic: patients wait for their doctor, and the two have a video call."""

from __future__ import annotations

import secrets

from flask import Flask
from flask_talisman import Talisman
from werkzeug.middleware.proxy_fix import ProxyFix

from .calls import signaling
from .extensions import csrf, limiter, login
from .models import add_demo_data, db
from .pages import pages

CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def create_app() -> Flask:
    """Return the app, configured by ``FLASK_`` variables of the environment.

    Two are its own: ``FLASK_HTTPS``, which is ``false`` for a trial on this machine, and ``FLASK_PROXIES``, the number
    of proxies.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=secrets.token_hex(),  # Set FLASK_SECRET_KEY, so that a restart logs nobody out.
        SQLALCHEMY_DATABASE_URI="sqlite:///clinic.db",
        RATELIMIT_STORAGE_URI="memory://",
        WTF_CSRF_TIME_LIMIT=None,  # A page of a call is open for hours, and its button to log out shall work.
        SIGNALING_URL_PREFIX="/call",
        SIGNALING_PAGE=False,  # The call of an appointment has a page of our own.
        HTTPS=True,
        PROXIES=0,
    )
    app.config.from_prefixed_env()
    if proxies := app.config["PROXIES"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]

    for extension in (db, csrf, login, limiter, signaling):
        extension.init_app(app)
    Talisman(
        app,
        force_https=app.config["HTTPS"],
        session_cookie_secure=app.config["HTTPS"],
        content_security_policy=CONTENT_SECURITY_POLICY,
        content_security_policy_nonce_in=["script-src"],
    )
    app.register_blueprint(pages)
    with app.app_context():
        db.create_all()
        add_demo_data()
    return app
