"""The extensions that an app has beside this one: a login everywhere, CSRF protection, a rate limiter, and headers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_talisman import Talisman
from flask_wtf import CSRFProtect

from signaling import Signaling, owns_request
from signaling.testing import SignalingClient
from signaling.web.headers import CONTENT_SECURITY_POLICY

HTML = {"Accept": "text/html"}
LEFT_TO_US = ["/call/healthz", "/call/ice-servers", "/call/static/client.js", "/call/ws", "/call/"]
"""What no browser shows as a page."""


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def clinic(**arguments: bool) -> Flask:
    """An app with a login everywhere."""
    app = Flask("clinic")
    app.config.update(SECRET_KEY="a secret", TESTING=True)
    login = LoginManager(app)
    login.login_view = "log_in"
    login.user_loader(User)
    signaling = Signaling(url_prefix="/call")

    @app.before_request
    def login_everywhere() -> Any:
        if request.endpoint != "log_in" and not owns_request(**arguments) and not current_user.is_authenticated:
            return login.unauthorized()
        return None

    @app.route("/login", methods=["GET", "POST"])
    def log_in() -> str:
        if request.method == "POST":
            login_user(User(request.form["name"]))
        return "log in"

    @app.get("/")
    def home() -> str:
        return "home"

    signaling.user_loader(lambda: current_user.get_id())
    signaling.init_app(app)
    return app


def status(client: FlaskClient, path: str, **options: Any) -> int:
    with client.get(path, **options) as answer:
        return answer.status_code


@pytest.mark.parametrize("arguments", [{}, {"page": True}, {"page": False}])
def test_a_login_everywhere_leaves_to_us_what_a_browser_cannot_be_redirected_at(arguments: dict[str, bool]):
    client = clinic(**arguments).test_client()
    for path in LEFT_TO_US:
        assert status(client, path) in (200, 403, 426)
    assert client.post("/call/ws", headers={"Origin": "http://localhost"}).status_code == 204


def test_the_call_page_may_stay_behind_the_login():
    app = clinic(page=False)
    client = app.test_client()
    for path in ("/", "/call/", "/call/?me=a&peer=b"):
        assert client.get(path, headers=HTML).location.startswith("/login?next=")
    client.post("/login", data={"name": "alice"})
    assert status(client, "/call/", headers=HTML) == 200


def test_the_call_page_is_ours_unless_the_app_says_otherwise():
    assert status(clinic().test_client(), "/call/", headers=HTML) == 200


def test_the_user_of_flask_login_is_the_user_of_the_connection():
    app = clinic(page=False)
    browser = app.test_client()
    browser.post("/login", data={"name": "alice"})
    with SignalingClient(app, browser) as alice, SignalingClient(app) as nobody:
        assert alice.join("bob")["type"] == "created"
        assert nobody.join("bob", "alice")["code"] == "unauthorized"


def test_what_is_not_ours_is_the_apps():
    app = clinic()
    with app.test_request_context("/"):
        assert not owns_request()
    with app.test_request_context("/nothing"):
        assert not owns_request()
    with app.test_request_context("/call/healthz"):
        assert owns_request()
    with pytest.raises(RuntimeError):
        owns_request()


@pytest.mark.parametrize("order", ["before", "after"])
def test_csrf_protection_leaves_the_reason_of_a_refusal_alone(order: str):
    """The protection comes before this extension, or after it."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="a secret", SIGNALING_OPEN=True)
    csrf = CSRFProtect()
    if order == "before":
        csrf.init_app(app)
    Signaling(app, url_prefix="/call")
    Signaling(app, name="support")
    if order == "after":
        csrf.init_app(app)
    app.post("/own")(lambda: "changed")
    client = app.test_client()
    for path in ("/call/", "/call/ws", "/support/", "/support/ws", "/call/ws"):
        assert client.post(path).status_code == 204
    assert client.post("/own").status_code == 400


@pytest.mark.parametrize("exempt", [True, False])
def test_a_limiter_leaves_the_blueprint_alone_if_it_is_told_to(exempt: bool):
    app = Flask("shop")
    app.config.update(SIGNALING_OPEN=True, RATELIMIT_STORAGE_URI="memory://")
    limiter = Limiter(get_remote_address, app=app, default_limits=["2 per hour"])
    Signaling(app, url_prefix="/call")
    if exempt:
        limiter.exempt(app.blueprints["signaling"])
    app.get("/own")(lambda: "home")
    client = app.test_client()
    assert [status(client, "/call/healthz") for _ in range(3)] == [200, 200, 200 if exempt else 429]
    assert [status(client, "/own") for _ in range(3)] == [200, 200, 429]


def test_talismans_headers_replace_ours_and_none_is_twice():
    app = Flask("shop")
    app.config["SIGNALING_OPEN"] = True
    Signaling(app, url_prefix="/call")
    talisman = Talisman(app, force_https=False, content_security_policy={"default-src": "'self'", "img-src": "*"})
    with app.test_client().get("/call/", headers=HTML) as answer:
        names = [name for name, _ in answer.headers]
        assert len(names) == len(set(names))
        assert answer.headers["Content-Security-Policy"] == "default-src 'self'; img-src *"
    # As the documentation says.
    talisman(content_security_policy=CONTENT_SECURITY_POLICY)(app.view_functions["signaling.index"])
    with app.test_client().get("/call/", headers=HTML) as answer:
        assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
