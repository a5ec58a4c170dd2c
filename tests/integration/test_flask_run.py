"""The service under `flask run`, with a thread for each WebSocket."""

from __future__ import annotations

import http.client
import random
import re
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidState, InvalidStatus

from tests.dev_server import DevServer
from tests.driver import Client, Mute, meet
from tests.integration.test_webhook import Receiver
from tests.waiting import TIMEOUT, wait_until

APP = """
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app)
"""

START = {"created", "joined", "roomInfo", "ready"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("app") / "mine.py"
    path.write_text(APP)
    return path


@pytest.fixture(scope="module", params=["http", "https"])
def dev(request: pytest.FixtureRequest, app: Path, certificate: Path) -> Iterator[DevServer]:
    with DevServer(app, certificate=certificate if request.param == "https" else None) as server:
        yield server


def assert_all_well(server: DevServer) -> None:
    """Nobody is left, and the log has neither an error nor a traceback."""
    wait_until(lambda: server.health()["connections"] == server.health()["rooms"] == 0)
    assert not [line for line in server.log if re.search("Traceback|Error", line)]


def test_two_users_meet_and_one_comes_back(dev: DevServer):
    alice, bob = meet(dev)
    with alice:
        with bob:
            offer = {"type": "offer", "sdp": "v=0\r\n" + "a=x\r\n" * 4_000}
            alice.send(type="message", data=offer)
            assert bob.receive()["data"] == offer
            bob.send(type="message", data={"type": "answer", "sdp": "v=0"})
            assert alice.receive()["data"]["type"] == "answer"
            bob.close(1001)
        assert alice.receive()["reason"] == "lost"
        assert alice.receive()["userCount"] == 1
        with Client(dev) as again:
            assert again.join("bob", "alice")[0]["type"] == "joined"
            assert alice.receive()["type"] == "ready"
            assert alice.receive()["userCount"] == 2
            again.send(type="message", data=1)
            assert alice.receive()["data"] == 1
    assert_all_well(dev)


def test_a_newer_connection_replaces_the_older_one(dev: DevServer):
    """The thread of the older one sleeps while another thread closes it."""
    alice, bob = meet(dev)
    with alice, bob, Client(dev) as newer:
        assert newer.join("alice", "bob")[0]["type"] == "joined"
        assert alice.receive()["code"] == "replaced"
        assert alice.closed()[0] == 4001
    assert_all_well(dev)


def test_frames_are_judged_as_under_gunicorn(dev: DevServer):
    for misuse, code in (
        (lambda client: client.send("x" * 65_537), 1009),
        (lambda client: client.send_text(b"\xff"), 1007),
    ):
        with Client(dev) as client:
            misuse(client)
            assert client.closed()[0] == code
    with Client(dev) as client:
        assert client.ping()
        client.send_text(b'{"type":', b'"ping","id":1}')
        assert client.receive() == {"type": "pong", "id": 1}
        assert client.ask(b"\x00\xff")["code"] == "invalid-json"
    with Client(dev) as vanishing:
        vanishing.join("alice", "bob")
        vanishing.vanish()
    assert_all_well(dev)


def test_bytes_behind_the_handshake_are_not_lost(dev: DevServer):
    plain = socket.create_connection(("localhost", dev.port), TIMEOUT)
    with dev.tls.wrap_socket(plain, server_hostname="localhost") if dev.tls else plain as client:
        text = b'{"type":"ping","id":7}'
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
        )
        data = b""
        while b"pong" not in data:
            data += client.recv(4_096)
    assert data.endswith(b'{"type":"pong","id":7}')
    # Some clients accept no other value of the header.
    assert re.findall(rb"(?i)connection: (.*)\r", data.partition(b"\r\n\r\n")[0]) == [b"Upgrade"]


def test_a_client_that_reads_nothing_costs_its_own_call_alone(app: Path):
    with DevServer(app, SIGNALING_SEND_BUFFER_BYTES=65_536, SIGNALING_MESSAGE_RATE=0) as server:
        alice, bob = meet(server)
        with alice, bob:
            replies = []
            while not replies:
                alice.send(type="message", data="x" * 60_000)
                alice.send(type="ping", id=1)
                reply = alice.receive()
                if reply["type"] != "pong":
                    replies.append(reply)
            assert (replies[0]["type"], replies[0]["reason"]) == ("bye", "lost")
        assert_all_well(server)


def test_a_client_that_is_gone_is_noticed_by_the_pings(app: Path):
    with (
        DevServer(app, SIGNALING_PING_INTERVAL=0.2, SIGNALING_PING_TIMEOUT=0.2, SIGNALING_CLOSE_TIMEOUT=0.2) as server,
        Mute(server) as mute,
    ):
        mute.join("alice", "bob")
        assert mute.closed()[0] == 4008
        assert_all_well(server)


def test_the_limits_of_connections_and_messages_hold(app: Path):
    with DevServer(app, SIGNALING_MAX_CONNECTIONS=1, SIGNALING_MESSAGE_RATE=0.01, SIGNALING_MESSAGE_BURST=1) as server:
        with Client(server) as alice:
            # Once it is answered, it counts.
            assert alice.quiet()
            with pytest.raises(InvalidStatus) as refusal:
                Client(server)
            assert refusal.value.response.status_code == 503
            assert alice.ask(type="ping")["code"] == "rate-limited"
        assert_all_well(server)


def test_pages_of_other_origins_are_refused(app: Path):
    with DevServer(app, SIGNALING_ALLOWED_ORIGINS="https://app.example.org") as server:
        with pytest.raises(InvalidStatus) as refusal:
            Client(server, headers={"Origin": "https://evil.example.com"})
        assert refusal.value.response.status_code == 403
        with Client(server, headers={"Origin": "https://app.example.org"}) as alice:
            assert alice.quiet()


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ((), {"SIGNALING_REDIS_URL": "redis://localhost:9"}, "Redis needs gevent"),
        (("--without-threads",), {}, "WebSockets need threads: start flask run without --without-threads"),
    ],
    ids=["Redis", "without threads"],
)
def test_what_the_development_server_cannot_do_is_said(app: Path, arguments, settings, words):
    with DevServer(app, arguments, health="", **settings) as server:
        # Without threads it speaks HTTP/1.0, which a WebSocket's client does not.
        with closing(http.client.HTTPConnection("localhost", server.port, timeout=TIMEOUT)) as connection:
            connection.request("GET", "/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
            response = connection.getresponse()
            assert (response.status, words in response.read().decode()) == (501, True)
        server.wait_for_log(words)


def test_ctrl_c_ends_the_server_with_open_websockets(app: Path):
    with DevServer(app) as server:
        alice, bob = meet(server)
        with alice, bob:
            assert server.interrupt() == 0
            assert alice.closed()[0] == 1006
    assert "Traceback" not in "\n".join(server.log)


def test_the_reloader_restarts_with_open_websockets(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(APP)
    with DevServer(path, ("--debug", "--reload")) as server:
        alice, bob = meet(server)
        with alice, bob:
            path.write_text(APP + '\n\n@app.get("/new")\ndef new():\n    return {"new": True}\n')
            assert [alice.closed()[0], bob.closed()[0]] == [1006, 1006]
        assert wait_until(lambda: server.get("/new")) == {"new": True}
        alice, bob = meet(server)
        with alice, bob:
            alice.send(type="message", data=1)
            assert bob.receive()["data"] == 1
            assert server.interrupt() in (0, -signal.SIGINT)
    assert "Traceback" not in "\n".join(server.log)


LOGIN = """
import threading

from flask import Flask, session
from signaling import Signaling

app = Flask(__name__)
app.secret_key = "the app's own"
signaling = Signaling(app)
decide = threading.Event()


@app.get("/login/<user>")
def login(user):
    session["user"] = user
    return user


@app.get("/decide")
def decide_now():
    decide.set()
    return {}


@signaling.user_loader
def who():
    return session.get("user")


@signaling.authorizer
def may_call(user, peer):
    if user == "slow":
        decide.wait()
    return "eve" not in (user, peer)
"""


def test_the_rules_of_the_app_block_their_own_connection_alone(tmp_path: Path):
    (tmp_path / "mine.py").write_text(LOGIN)
    with DevServer(tmp_path / "mine.py", SIGNALING_HOOK_TIMEOUT=0.05) as server:

        def logged_in(user: str) -> Client:
            with urllib.request.urlopen(f"{server.url}/login/{user}", timeout=TIMEOUT) as response:
                cookie = response.headers["Set-Cookie"].partition(";")[0]
            return Client(server, "/ws", {"Origin": server.url, "Cookie": cookie})

        with logged_in("slow") as slow, logged_in("alice") as alice, logged_in("eve") as eve:
            slow.send(type="join", remoteId="bob")
            # It is answered although the authorizer still waits.
            assert alice.ask(type="join", remoteId="bob")["type"] == "created"
            assert eve.ask(type="join", remoteId="alice")["code"] == "unauthorized"
            assert eve.closed()[0] == 4003
            server.get("/decide")
            assert slow.receive()["type"] == "created"
        assert_all_well(server)


SIGNALS = (
    APP.replace("Signaling(app)", "signaling = Signaling(app)")
    + """
import sys
from signaling import call_ended, call_started


@call_started.connect_via(app)
def started(app, call):
    sys.stderr.write(f"SAID started {len(signaling.calls())}\\n")


@call_ended.connect_via(app)
def ended(app, call):
    sys.stderr.write(f"SAID ended {call.reason}\\n")


@app.get("/disconnect/<user>")
def disconnect(user):
    return {"count": signaling.disconnect(user)}
"""
)


def test_signals_the_webhook_and_the_methods_work(tmp_path: Path):
    (tmp_path / "mine.py").write_text(SIGNALS)
    with Receiver() as receiver, DevServer(tmp_path / "mine.py", **receiver.settings(call_grace=0.05)) as server:
        receiver.types = {"call.started", "call.ended"}
        alice, bob = meet(server)
        with alice, bob:
            server.wait_for_log("SAID started 1")
            assert server.get("/disconnect/alice") == {"count": 1}
            assert alice.receive()["code"] == "ended"
            assert alice.closed()[0] == 4004
            assert bob.receive()["reason"] == "left"
        server.wait_for_log("SAID ended left")
        assert [told.type for told in receiver.wait_for(2)] == ["call.started", "call.ended"]
        # Its thread waits for more at this moment.
        assert server.interrupt() == 0
    assert "Traceback" not in "\n".join(server.log)


MIDDLEWARE = (
    APP
    + """
import sys


def say(*words):
    # One write, since the server's threads log as well.
    sys.stderr.write(" ".join(("SAID", *map(str, words))) + "\\n")


@app.after_request
def note(response):
    response.headers["X-Theirs"] = "yes"
    return response


def watching(app):
    def middleware(environ, start_response):
        before = dict(environ)
        try:
            yield from app(environ, lambda status, *rest: say("status", status) or start_response(status, *rest))
        except BaseException as error:
            say("raised", repr(error))
            raise
        say("done", {name for name in before if environ.get(name) is not before[name]} or "whole")

    return middleware


app.wsgi_app = watching(app.wsgi_app)
"""
)


def test_middleware_sees_one_101_and_no_exception(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MIDDLEWARE)
    with DevServer(tmp_path / "mine.py") as server:
        since = len(server.log)
        with Client(server, "/ws") as alice:
            assert alice.quiet()
            assert alice.response.headers["X-Theirs"] == "yes"
            server.wait_for_log("SAID status 101 Switching Protocols", since)
        server.wait_for_log("SAID done whole", since)
        server.wait_for_log(r"GET /ws HTTP/1.1.* 101 -", since)
    lines = [line for line in server.log[since:] if "101" in line]
    assert len(lines) == 2
    assert "SAID raised" not in "\n".join(server.log)


def in_threads(*runs: Callable[[], object]) -> None:
    """Run them at the same time, and raise the error of any."""
    errors: list[BaseException] = []

    def note(run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=note, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert errors == []


def test_many_threads_at_once_leave_nothing_behind(app: Path):
    """Users of few rooms come, talk, replace each other and go, in as many threads, while pages are read."""
    settings = {"CONNECTION_RATE": 0, "CONNECTIONS_PER_IP": 0, "JOIN_RATE": 0, "OPS_TOKEN": "o" * 32, "OPS_CALLS": 5}
    options = {f"SIGNALING_{name}": value for name, value in settings.items()}
    with DevServer(app, SIGNALING_METRICS_TOKEN="m" * 32, **options) as server:
        over = threading.Event()

        def come_and_go(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(25):
                with Client(server) as client:
                    me, peer = chance.sample(("alice", "bob", "carol"), 2)
                    assert client.join(me, peer)[0]["type"] in START
                    with suppress(InvalidState, OSError):
                        # Another thread may have replaced it.
                        client.send(type="message", data={"type": "offer"})
                        client.send(type="candidate", candidate={})
                    if chance.random() < 0.3:
                        client.vanish()

        def read() -> None:
            pages = (("/metrics", "m" * 32), ("/ops/state.json", "o" * 32), ("/ops/calls.json", "o" * 32))
            while not over.is_set():
                for path, token in pages:
                    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {token}"})
                    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                        assert response.status == 200

        def all_come_and_go() -> None:
            try:
                in_threads(*(lambda seed=seed: come_and_go(seed) for seed in range(12)))
            finally:
                over.set()

        in_threads(all_come_and_go, read)
        assert_all_well(server)
