"""The client for tests of an app: its users, its rules, and both ends of a call, in milliseconds."""

from __future__ import annotations

import pytest
from flask import Flask, session

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
