"""A setting that comes after ``init_app`` is never ignored in silence."""

from __future__ import annotations

import pytest
from flask import Flask

from signaling import Signaling
from signaling.config.env import SettingsError
from signaling.node import nodes
from signaling.node.node import Node
from signaling.testing import SignalingClient

KEY = "a secret of thirty-two bytes or more"


@pytest.fixture
def app() -> Flask:
    made = Flask("app")
    made.config["SIGNALING_OPEN"] = True
    Signaling(made, url_prefix="/call")
    return made


def test_a_protection_that_came_late_stops_all_but_the_explanation(app: Flask, caplog: pytest.LogCaptureFixture):
    app.config["SIGNALING_JWT_KEY"] = KEY
    client = app.test_client()
    for path in ("/call/healthz", "/call/ice-servers", "/call/healthz"):
        assert client.get(path).status_code == 503
    with pytest.raises(ConnectionRefusedError, match="A setting of the server came after init_app"):
        SignalingClient(app)
    explained = client.post("/call/ws")
    assert (explained.status_code, explained.json["code"]) == (503, "server-misconfigured")
    # The page says to its user what the server has said.
    for path in ("/call/", "/call/static/client.js"):
        with client.get(path, headers={"Accept": "text/html"}) as answer:
            assert answer.status_code == 200
    assert [message for message in caplog.messages if not message.startswith("Refused a WebSocket")] == [
        "SIGNALING_JWT_KEY came after init_app; set it before, or it protects nothing"
    ]
    assert KEY not in caplog.text


def test_a_handshake_may_be_the_first_request(app: Flask, caplog: pytest.LogCaptureFixture):
    app.config["SIGNALING_ALLOWED_ORIGINS"] = "https://app.example.org"
    with pytest.raises(ConnectionRefusedError, match="A setting of the server came after init_app"):
        SignalingClient(app)
    assert "SIGNALING_ALLOWED_ORIGINS came after init_app" in caplog.text


def test_another_setting_that_came_late_is_one_warning(app: Flask, caplog: pytest.LogCaptureFixture):
    app.config["SIGNALING_MAX_CONNECTIONS"] = 5
    app.config["SIGNALING_PING_INTERVAL"] = 5
    for _ in range(2):
        with SignalingClient(app) as client:
            assert client.join("bob", "alice")["type"] == "created"
    names = "SIGNALING_MAX_CONNECTIONS, SIGNALING_PING_INTERVAL"
    assert caplog.messages[0] == f"{names} came after init_app and has no effect; set it before"
    assert caplog.text.count("came after") == 1


def test_one_late_instance_stops_no_other(app: Flask):
    Signaling(app, name="support")
    app.config["SUPPORT_SIGNALING_JWT_KEY"] = KEY
    client = app.test_client()
    assert client.get("/support/healthz").status_code == 503
    assert client.get("/call/healthz").status_code == 200


def test_the_start_of_the_workers_node_ends_at_a_late_protection(app: Flask, monkeypatch: pytest.MonkeyPatch):
    started = []
    # Those of other tests may not be collected yet.
    monkeypatch.setattr(nodes, "NODES", {app.extensions["signaling"]})
    monkeypatch.setattr(Node, "start", lambda self: started.append(self))
    app.config["SIGNALING_JWT_KEY"] = KEY
    with pytest.raises(SettingsError, match="SIGNALING_JWT_KEY came after init_app"):
        nodes.start_all()
    assert started == []
