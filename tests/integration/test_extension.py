"""The service inside somebody else's Flask app."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.driver import ROOT, Client, Server
from tests.waiting import TIMEOUT

APP = """
import socket
from flask import Flask, request
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_MAX_MESSAGE_BYTES"] = 2048
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")

@app.get("/")
def home():
    return "Home"

@app.get("/timeout")
def timeout():
    return {"timeout": socket.getdefaulttimeout()}

@app.teardown_request
def teardown(error):
    if "fault" in request.args:
        raise RuntimeError("a fault of the app's own, after the request")
"""


@pytest.fixture(scope="module", params=["signaling.worker.Worker", "gevent"])
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Path):
    """The app of somebody else, under our worker and under gunicorn's own."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "mine.py").write_text(APP)
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(certificate, ("-k", request.param), **where) as server:
        yield server


@pytest.mark.parametrize("path", ["/call", "/call/", "/call/ws"])
def test_it_is_there_under_its_prefix(mounted: Server, path: str):
    with Client(mounted, path) as alice, Client(mounted, path) as bob:
        alice.join("alice", "bob")
        bob.join("bob", "alice")
        bob.send(type="message", data=1)
        assert [alice.receive()["type"] for _ in range(3)] == ["ready", "roomInfo", "message"]


def test_a_fault_in_the_apps_own_teardown_is_a_500_before_there_is_a_websocket(mounted: Server):
    with pytest.raises(InvalidStatus) as refusal:
        Client(mounted, "/call/ws?fault=1")
    assert refusal.value.response.status_code == 500
    with Client(mounted, "/call/ws") as client:
        assert client.quiet()


def test_the_apps_config_goes_before_the_environment(mounted: Server):
    with Client(mounted, "/call/ws") as client:
        client.send("x" * 2_049)
        assert client.closed()[0] == 1009


def test_the_apps_own_sockets_keep_their_timeouts(mounted: Server):
    assert mounted.get("/timeout") == {"timeout": None}


def test_a_tls_handshake_that_never_begins_ends(tmp_path: Path, certificate: Path):
    """Under gunicorn's own gevent worker, which waits without a limit."""
    with (
        Server(certificate, ("-k", "gevent"), SIGNALING_HANDSHAKE_TIMEOUT=0.5) as server,
        socket.create_connection(("localhost", server.port), TIMEOUT) as silent,
    ):
        assert silent.recv(1) == b""


TWO_APPS = """
from flask import Flask
from signaling import Signaling
from werkzeug.middleware.dispatcher import DispatcherMiddleware

signaling = Signaling()
locked, open_ = Flask("locked"), Flask("open")
locked.config["SIGNALING_JWT_KEY"] = "a secret of thirty-two bytes or more"
open_.config["SIGNALING_OPEN"] = True
signaling.init_app(locked)
signaling.init_app(open_)
app = DispatcherMiddleware(open_, {"/locked": locked})
"""


def test_an_open_app_beside_a_locked_one_opens_nothing(tmp_path: Path, certificate: Path):
    (tmp_path / "two.py").write_text(TWO_APPS)
    with Server(certificate, app="two:app", PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        with Client(server) as alice, Client(server, "/locked/") as stranger, Client(server) as bob:
            assert alice.join("alice", "bob")[0]["type"] == "created"
            assert stranger.ask(type="join", userId="bob", remoteId="alice")["code"] == "unauthorized"
            assert stranger.closed()[0] == 4003
            assert bob.join("bob", "alice")[0]["type"] == "joined"
        assert server.get("/locked/healthz")["rooms"] == 0


LOGIN = """
from flask import Flask, redirect, request, session
from signaling import Signaling, owns_request

app = Flask(__name__)
app.secret_key = "the app's own"
signaling = Signaling(url_prefix="/call")


@app.before_request
def login_everywhere():
    if not owns_request() and request.endpoint != "login" and "user" not in session:
        return redirect("/login/nobody")


@app.get("/login/<user>")
def login(user):
    session["user"] = user
    return user


@signaling.user_loader
def who():
    return session.get("user")


@signaling.authorizer
def may_call(user, peer):
    return {user, peer} == {"alice", "bob"}


signaling.init_app(app)
"""


def test_the_apps_own_users_call_whom_the_app_allows(tmp_path: Path, certificate: Path):
    (tmp_path / "clinic.py").write_text(LOGIN)
    where = {"app": "clinic:app", "health": "/call/healthz", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with Server(certificate, **where) as server:

        def logged_in(user: str = "", origin: str = "") -> Client:
            headers = {"Origin": origin or server.url}
            if user:
                with urllib.request.urlopen(f"{server.url}/login/{user}", context=server.tls) as response:
                    headers["Cookie"] = response.headers["Set-Cookie"].partition(";")[0]
            return Client(server, "/call/ws", headers)

        with logged_in("alice") as alice, logged_in("bob") as bob:
            alice.send(type="join", remoteId="bob")
            assert [alice.receive()["type"] for _ in range(2)] == ["created", "roomInfo"]
            bob.send(type="join", userId="bob", remoteId="alice")
            assert bob.receive()["type"] == "joined"
            for user, join in (
                ("", {"userId": "alice", "remoteId": "bob"}),
                ("eve", {"userId": "alice", "remoteId": "bob"}),
                ("eve", {"remoteId": "alice"}),
            ):
                with logged_in(user) as stranger:
                    assert stranger.ask(type="join", **join)["code"] == "unauthorized"
                    assert stranger.closed()[0] == 4003
            bob.send(type="message", data=1)
            assert [alice.receive()["type"] for _ in range(3)] == ["ready", "roomInfo", "message"]
        with pytest.raises(InvalidStatus) as refusal:
            logged_in("alice", origin="https://evil.example.com")
        assert refusal.value.response.status_code == 403
