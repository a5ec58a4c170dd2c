"""An app on four synchronous workers, and the service beside it: the two share one secret."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from signaling.config.service_secret import derive
from signaling.rooms.signature import signed
from tests.driver import ROOT, Client, Server
from tests.redis_server import free_port
from tests.waiting import TIMEOUT, wait_until

SECRET = "one secret for the app and the service beside it"
APP = """
import os, sqlite3, sys
from flask import Flask, redirect, request, session
from flask_wtf import CSRFProtect
from signaling import Signaling, Unavailable, call_ended, call_started, call_waiting, waiting_ended

def write(kind, key):
    with sqlite3.connect(os.environ["EVENTS"], timeout=60) as database:
        database.execute("insert into event values (?, ?, ?)", (kind, key, os.getpid()))

signaling = Signaling()

@signaling.user_loader
def who():
    return session.get("user")

@signaling.authorizer
def may_call(user, peer):
    return peer != "eve"

@call_waiting.connect
def waiting(app, user, peer):
    write("waiting", f"{user} for {peer}")

@waiting_ended.connect
def waited(app, user, peer, outcome):
    write("waited", f"{user} for {peer}: {outcome}")

@call_started.connect
def started(app, call):
    write("started", call.id)

@call_ended.connect
def ended(app, call):
    # The first delivery of each call fails, as that of a locked database does.
    write("ended", call.id)
    if call.users[0] == "fails" and request.headers["webhook-id"] not in os.listdir(os.environ["MARKS"]):
        open(os.path.join(os.environ["MARKS"], request.headers["webhook-id"]), "w").close()
        raise RuntimeError("locked")

app = Flask(__name__)
app.config.from_prefixed_env()
app.secret_key = "the same in all workers"
signaling.init_app(app)
CSRFProtect(app)

@app.before_request
def login_everywhere():
    if "user" not in session and not request.path.startswith(("/login", "/healthz")):
        return redirect("/login")

@app.get("/healthz")
def healthz():
    return {"status": "ok"}

@app.get("/login/<user>")
def login(user):
    session["user"] = user
    return {"gevent": "gevent" in sys.modules, "pid": os.getpid()}

@app.errorhandler(Unavailable)
def unavailable(error):
    return {"error": str(error)}, 503

@app.get("/calls")
def calls():
    found = signaling.calls(request.args.get("user"))
    return {"calls": [{"id": each.id, "users": each.users} for each in found], "partial": found.partial}

@app.get("/waiting/<peer>")
def who_waits(peer):
    return {"waiting": [each.user for each in signaling.waiting(peer=peer)]}

@app.get("/end/<call>")
def end(call):
    return {"ended": signaling.end(call, "The hour is over")}

@app.get("/disconnect/<user>")
def disconnect(user):
    return {"closed": signaling.disconnect(user, bar_seconds=3600)}
"""
CONFIGURATION = """
bind = "127.0.0.1:0"
workers = {workers}
worker_class = "sync"
loglevel = "info"
control_socket_disable = True
"""


class App:
    """The app. Each browser is logged in as one user."""

    def __init__(self, folder: Path, service_port: int, workers: int = 4) -> None:
        self.service_port = service_port
        (folder / "shop.py").write_text(APP)
        (folder / "own.py").write_text(CONFIGURATION.format(workers=workers))
        (folder / "marks").mkdir()
        self.database = folder / "events.sqlite"
        with sqlite3.connect(self.database) as database:
            database.execute("create table event (kind text, key text, pid integer)")
        self.server = Server(
            None,
            ("-c", str(folder / "own.py")),
            app="shop:app",
            PYTHONPATH=f"{folder}:{ROOT}",
            EVENTS=self.database,
            MARKS=folder / "marks",
            SIGNALING_SERVICE_URL=f"http://localhost:{service_port}/",
            SIGNALING_SERVICE_SECRET=SECRET,
        )

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.port}"

    def events(self, kind: str) -> list[str]:
        with sqlite3.connect(self.database) as database:
            return [key for (key,) in database.execute("select key from event where kind = ?", (kind,))]

    def get(self, path: str) -> Any:
        return Browser(self, "operator").get(path)


class Browser:
    """A browser with the session of a user."""

    def __init__(self, app: App, user: str) -> None:
        self.app = app
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.login = self.get(f"/login/{user}")

    def get(self, path: str) -> Any:
        with self._opener.open(self.app.url + path, timeout=TIMEOUT) as response:
            return json.load(response)

    def token(self, peer: str, **headers: str) -> Any:
        asking = urllib.request.Request(
            f"{self.app.url}/signaling/token",
            json.dumps({"peer": peer}).encode(),
            {"Content-Type": "application/json", "Origin": self.app.url} | headers,
        )
        with self._opener.open(asking, timeout=TIMEOUT) as response:
            return json.load(response)["token"]


def refusal(of: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        of()
    with refused.value as error:
        return error.code, json.load(error)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("beside"), free_port())
    with app.server:
        yield app


def run_service(app: App, **settings: Any) -> Server:
    shared = {"SIGNALING_SERVICE_SECRET": SECRET, "SIGNALING_WEBHOOK_URL": f"{app.url}/signaling/events"}
    return Server(PORT=app.service_port, **(shared | settings))


@pytest.fixture(scope="module")
def service(app: App) -> Iterator[Server]:
    with run_service(app) as running:
        yield running


def join(service: Server, token: str, user: str, peer: str) -> tuple[Client, dict[str, Any]]:
    client = Client(service)
    client.send(type="join", userId=user, remoteId=peer, token=token)
    reply = client.receive()
    client.receive()
    return client, reply


def meet(service: Server, app: App, user: str, peer: str) -> tuple[Client, Client]:
    """Return two users in a call. Their browsers got the tokens from the app."""
    one, reply = join(service, Browser(app, user).token(peer), user, peer)
    assert reply["type"] == "created"
    # The service does not tell of a wait that is over.
    wait_until(lambda: f"{user} for {peer}" in app.events("waiting"))
    other, reply = join(service, Browser(app, peer).token(user), peer, user)
    assert reply["type"] == "joined"
    assert [one.receive()["type"], one.receive()["type"]] == ["ready", "roomInfo"]
    return one, other


def test_two_users_meet_with_tokens_of_the_app_and_each_signal_comes_once(app: App, service: Server):
    users = [(f"a{number}", f"b{number}") for number in range(6)]
    pairs = [meet(service, app, *pair) for pair in users]
    for one, other in pairs:
        one.send(type="message", data="hello")
        assert other.receive()["data"] == "hello"
    wait_until(lambda: len(app.events("started")) >= 6)
    found = app.get("/calls")
    assert sorted(call["users"] for call in found["calls"]) == [list(pair) for pair in users]
    assert app.get("/calls?user=a3")["calls"] == [call for call in found["calls"] if call["users"] == ["a3", "b3"]]
    for one, other in pairs:
        one.send(type="bye")
        other.close()
        one.close()
    wait_until(lambda: len(app.events("ended")) >= 6)
    ids = sorted(call["id"] for call in found["calls"])
    assert sorted(app.events("started")) == sorted(app.events("ended")) == ids
    # Each user waited for the other one, who came.
    assert sorted(app.events("waiting")) == [f"{one} for {other}" for one, other in users]
    assert sorted(app.events("waited")) == [f"{one} for {other}: met" for one, other in users]


def test_the_app_ends_a_call_and_disconnects_and_bars_a_user(app: App, service: Server):
    for client in meet_and(app, service, lambda call: app.get(f"/end/{call}") == {"ended": True}):
        assert client.receive()["message"] == "The hour is over"
        assert client.closed()[0] == 4004
    assert app.get("/end/unknown") == {"ended": False}
    token = Browser(app, "dora").token("emil")
    dora, _ = join(service, token, "dora", "emil")
    assert app.get("/waiting/emil") == {"waiting": ["dora"]}
    assert app.get("/disconnect/dora") == {"closed": 1}
    assert dora.receive()["type"] == "error"
    assert dora.closed()[0] == 4004
    with Client(service) as again:
        again.send(type="join", userId="dora", remoteId="emil", token=token)
        assert again.receive()["code"] == "unauthorized"


def meet_and(app: App, service: Server, then: Any) -> tuple[Client, Client]:
    clients = meet(service, app, "berta", "carl")
    [call] = app.get("/calls?user=berta")["calls"]
    assert then(call["id"])
    return clients


def test_a_receiver_that_fails_gets_the_signal_again(app: App, service: Server):
    one, other = meet(service, app, "fails", "other")
    [call] = app.get("/calls?user=fails")["calls"]
    one.close()
    other.close()
    wait_until(lambda: app.events("ended").count(call["id"]) >= 2)
    app.server.wait_for_log("RuntimeError: locked")
    assert app.events("started").count(call["id"]) == 1


def test_only_an_allowed_call_of_a_logged_in_user_gets_a_token(app: App, service: Server):
    assert refusal(lambda: Browser(app, "alice").token("eve"))[0] == 403
    assert refusal(lambda: Browser(app, "alice").token("bob", Origin="https://evil.example"))[0] == 403
    with Client(service) as stranger:
        stranger.send(type="join", userId="alice", remoteId="bob")
        assert stranger.receive()["code"] == "unauthorized"
    # A token for one peer is none for another.
    with Client(service) as alice:
        alice.send(type="join", userId="alice", remoteId="carol", token=Browser(app, "alice").token("bob"))
        assert alice.receive()["code"] == "unauthorized"


def post(app: App, body: bytes, headers: dict[str, str]) -> int:
    asking = urllib.request.Request(f"{app.url}/signaling/events", body, headers)
    try:
        with urllib.request.urlopen(asking, timeout=TIMEOUT) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_only_a_fresh_message_of_the_service_is_a_signal(app: App, service: Server):
    body = b'{"type":"user.waiting","timestamp":"","data":{"userId":"forged","remoteId":"bob"}}'
    right = derive(SECRET, "webhook").encode()
    now = int(time.time())
    assert post(app, body, {}) == 401
    assert post(app, body, signed([b"another key that is not the right one"], "msg_1", now, body)) == 401
    assert post(app, body, signed([right], "msg_2", now - 301, body)) == 401
    assert post(app, body + b" ", signed([right], "msg_3", now, body)) == 401
    assert (
        post(app, b'{"type":"of.tomorrow","data":{}}', signed([right], "m", now, b'{"type":"of.tomorrow","data":{}}'))
        == 204
    )
    assert app.events("waiting").count("forged for bob") == 0
    assert post(app, body, signed([right], "msg_4", now, body)) == 204
    assert app.events("waiting").count("forged for bob") == 1


def test_the_pages_work_without_gevent_and_without_the_service(tmp_path: Path):
    app = App(tmp_path, free_port(), workers=1)
    with app.server:
        assert Browser(app, "alice").login["gevent"] is False
        status, answer = refusal(lambda: app.get("/calls"))
        url = f"http://localhost:{app.service_port}"
        assert (status, answer) == (503, {"error": f"The service at {url} is unavailable: Connection refused"})
        with run_service(app):
            assert app.get("/calls") == {"calls": [], "partial": False}
        for path in ("/calls", "/waiting/bob", "/end/1", "/disconnect/alice"):
            assert refusal(lambda path=path: app.get(path))[0] == 503
        assert Browser(app, "alice").token("bob")


def test_another_secret_is_named_as_the_reason(tmp_path: Path):
    app = App(tmp_path, free_port(), workers=1)
    with app.server, run_service(app, SIGNALING_SERVICE_SECRET=SECRET + "!"):
        assert "SIGNALING_SERVICE_SECRET must be the same" in refusal(lambda: app.get("/calls"))[1]["error"]
