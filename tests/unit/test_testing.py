"""The client for tests of an app: its users, its rules, and both ends of a call, in milliseconds."""

from __future__ import annotations

import pytest
from flask import Flask, redirect, request, session

from signaling import Signaling
from signaling.testing import SignalingClient


@pytest.fixture
def app() -> Flask:
    made = Flask("clinic")
    made.config.update(SECRET_KEY="a secret", SIGNALING_URL_PREFIX="/call")
    signaling = Signaling(made)
    signaling.user_loader(lambda: session.get("user"))
    signaling.authorizer(lambda user, peer: "eve" not in (user, peer))

    @made.post("/login/<user>")
    def login(user: str) -> str:
        session["user"] = user
        return user

    return made


def logged_in(app: Flask, user: str) -> SignalingClient:
    browser = app.test_client()
    browser.post(f"/login/{user}")
    return SignalingClient(app, browser)


def test_a_call_from_the_first_join_to_the_last_goodbye(app: Flask):
    with logged_in(app, "alice") as alice, logged_in(app, "bob") as bob:
        assert alice.join("bob")["type"] == "created"
        assert bob.join("alice", user="bob")["type"] == "joined"
        assert alice.receive("ready")["type"] == "ready"
        alice.send(type="message", data={"type": "offer", "sdp": "v=0"})
        assert bob.receive("message")["data"] == {"type": "offer", "sdp": "v=0"}
        bob.disconnect(1006)
        assert alice.receive("bye")["reason"] == "lost"
    assert app.extensions["signaling"].registry.room_count == 0


def test_who_is_refused_is_out(app: Flask):
    for client, fields in (
        (SignalingClient(app), {"peer": "bob", "user": "alice"}),
        (logged_in(app, "eve"), {"peer": "bob"}),
        (logged_in(app, "alice"), {"peer": "bob", "user": "carol"}),
    ):
        assert client.join(**fields)["code"] == "unauthorized"
        assert client.close_code == 4003
        with pytest.raises(ConnectionResetError, match="4003"):
            client.send(type="bye")
    assert app.extensions["signaling"].registry.room_count == 0


def test_the_end_of_the_test_is_the_end_of_the_connection(app: Flask):
    with logged_in(app, "alice") as alice:
        alice.join("bob")
    with logged_in(app, "bob") as bob:
        assert bob.join("alice")["type"] == "created"
        with pytest.raises(LookupError, match="no 'ready' among"):
            bob.receive("ready")


def test_a_server_that_restarts_refuses(app: Flask):
    app.extensions["signaling"].connections.draining = True
    with pytest.raises(ConnectionRefusedError, match="restarting"):
        SignalingClient(app)


def test_a_login_everywhere_that_forgets_the_blueprint_shows(app: Flask):
    """A real handshake would be redirected as well."""

    @app.before_request
    def login_everywhere() -> object:
        return None if "user" in session or request.endpoint == "login" else redirect("/login")

    client = app.extensions["signaling"].test_client
    with pytest.raises(ConnectionRefusedError, match="302 FOUND: /login") as refusal:
        client()
    assert refusal.value.errno == 302
    browser = app.test_client()
    browser.post("/login/alice")
    with client(browser) as alice:
        assert alice.join("bob")["type"] == "created"


def test_the_handshake_is_a_request_like_any_other(app: Flask):
    """With every cookie of the browser, into which the answer's go, and a teardown at its end."""
    seen = []

    @app.before_request
    def note() -> None:
        session["visits"] = session.get("visits", 0) + 1
        seen.append((request.cookies.get("tenant"), request.path))

    app.teardown_request(lambda _: seen.append("over"))
    browser = app.test_client()
    browser.set_cookie("tenant", "north")
    for visits in (1, 2):
        with app.extensions["signaling"].test_client(browser):
            assert seen == [("north", "/call/ws"), "over"]
        seen.clear()
        with browser.session_transaction() as stored:
            assert stored["visits"] == visits
        seen.clear()


def test_the_origin_of_a_page_is_an_option(app: Flask):
    client = app.extensions["signaling"].test_client
    with pytest.raises(ConnectionRefusedError, match="origin is not allowed") as refusal:
        client(headers={"Origin": "https://evil.example.com"})
    assert refusal.value.errno == 403
    with client(headers={"Origin": "https://app.example.org"}, base_url="https://app.example.org") as alice:
        assert alice.is_open


def test_many_clients_are_below_the_limits_of_one_address():
    app = Flask("clinic")
    app.config.update(SIGNALING_OPEN=True, SIGNALING_CONNECTION_RATE=0.001, SIGNALING_CONNECTION_BURST=1)
    Signaling(app)
    client = app.extensions["signaling"].test_client
    assert all(client().is_open for _ in range(3))
    one_address = {"REMOTE_ADDR": "192.0.2.1"}
    client(environ_overrides=one_address)
    with pytest.raises(ConnectionRefusedError, match="Too many new connections") as refusal:
        client(environ_overrides=one_address)
    assert refusal.value.errno == 429


def test_an_error_of_the_app_is_seen_as_flasks_client_shows_it(app: Flask):
    app.before_request(lambda: 1 / 0)
    app.testing = True
    with pytest.raises(ZeroDivisionError):
        SignalingClient(app)
    app.testing = False
    with pytest.raises(ConnectionRefusedError, match="500"):
        SignalingClient(app)
