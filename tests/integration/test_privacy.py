"""With ``SIGNALING_PRIVACY``, no output of the server says who its clients are. A random walk of known users tries."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import re
import socket
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from tests.driver import Client, Server
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

USERS = [f"known-person-{number}" for number in range(4)]
FORWARDED = ["203.0.113.77", "2001:db8::abcd"]
SOURCE = "127.7.7.7"
TRACES = ["known-person", *FORWARDED, SOURCE]

SECRETS = {name: f"of-the-{name}" for name in ("ops", "metrics", "api")}
DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"

SALT = "s" * 32

# Errors of an app whose messages name its users.
APP = """
from flask import Flask, request
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
signaling = Signaling(app)

@signaling.authorizer
def decide(user, peer):
    if peer == "known-person-3":
        raise KeyError(f"{user} has no call with {peer}")
    return True

@app.get("/break/<user>")
def fail(user):
    try:
        {}[user]
    except KeyError as error:
        raise ValueError(f"{user} at {request.remote_addr}") from error

@app.get("/greenlet/<user>")
def greenlet(user):
    import gevent
    def fail(user):
        raise ValueError(user)
    gevent.spawn(fail, user).join()
    return "done"
"""


class Walk:
    """Random things that users do, so that each place that could log them is reached."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.clients: list[Client] = []

    def user(self) -> str:
        return self.random.choice(USERS)

    def step(self) -> None:
        steps = [self.connect, self.join, self.join, self.say, self.err, self.leave, self.close, self.vanish]
        self.random.choice([*steps, self.guess, self.refused, self.nonsense, self.breaks])()

    def client(self) -> Client:
        if not self.clients:
            self.connect()
        return self.random.choice(self.clients)

    def connect(self) -> None:
        headers = {"X-Forwarded-For": self.random.choice(FORWARDED)} if self.random.random() < 0.7 else {}
        source = None if headers else SOURCE
        self.clients.append(Client(self.server, headers=headers, source=source))

    def join(self) -> None:
        self.client().send(type="join", userId=self.user(), remoteId=self.user())

    def say(self) -> None:
        self.client().send(type="message", data={"type": "offer", "sdp": f"o={self.user()} {SOURCE}"})

    def err(self) -> None:
        client = self.client()
        self.random.choice(
            [
                lambda: client.send(type=self.user()),
                lambda: client.send(f'{{"type": "join", "userId": "{self.user()}", '),
                lambda: client.send(type="join", userId=[self.user()], remoteId={self.user(): 1}),
                lambda: client.send(type="join", userId=self.user(), remoteId=self.user(), token=self.user()),
            ]
        )()

    def leave(self) -> None:
        self.client().send(type="bye")

    def close(self) -> None:
        if self.clients:
            client = self.clients.pop()
            client._protocol.send_close(4321, self.user())
            client._flush()
            client.closed()

    def vanish(self) -> None:
        if self.clients:
            self.clients.pop().vanish()

    def request(self, path: str, **headers: str) -> None:
        with socket.create_connection(("localhost", self.server.port), TIMEOUT, (SOURCE, 0)) as sock:
            fields = {"Host": "a", "X-Forwarded-For": FORWARDED[0], "User-Agent": self.user(), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            sock.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
            assert sock.recv(65_536)

    def guess(self) -> None:
        path = self.random.choice([f"/api/users/{self.user()}", f"/ops/calls.json?user={self.user()}", "/metrics"])
        self.request(path, Authorization="Bearer wrong")

    def refused(self) -> None:
        headers = {"Origin": f"https://{self.user()}.example", "X-Forwarded-For": self.random.choice(FORWARDED)}
        with suppress(InvalidStatus), Client(self.server, headers=headers):
            pass

    def nonsense(self) -> None:
        self.request(f"/{self.user()}", **{"Content-Length": f"x{self.user()}"})

    def breaks(self) -> None:
        self.request(f"/{self.random.choice(['break', 'greenlet', 'nowhere'])}/{self.user()}")


def pages(server: Server) -> dict[str, str]:
    """The pages of the operator, by their paths."""
    found = {}
    for path, secret in (
        ("/metrics", "metrics"),
        ("/ops/state.json", "ops"),
        ("/ops/calls.json", "ops"),
        (f"/ops/calls.json?user={USERS[0]}", "ops"),
        ("/healthz", "ops"),
    ):
        asked = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {SECRETS[secret]}"})
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as response:
            found[path] = response.read().decode()
    return found


def private(tmp_path: Path, **settings: Any) -> Server:
    (tmp_path / "mine.py").write_text(APP)
    tokens = {f"SIGNALING_{name.upper()}_TOKEN": secret for name, secret in SECRETS.items()}
    given = {
        "PYTHONPATH": tmp_path,
        "SIGNALING_PRIVACY": "true",
        "SIGNALING_LOG_LEVEL": "debug",
        "SIGNALING_TRUSTED_PROXIES": "127.0.0.1, ::1",
        "SIGNALING_ALLOWED_ORIGINS": "https://app.example.org",
        "SIGNALING_JOIN_RATE": 0,
        **tokens,
    }
    return Server(None, ("--access-logfile", str(tmp_path / "access")), app="mine:app", **(given | settings))


@pytest.mark.parametrize("seed", rest_long([1, 2, 3, 4]))
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_output_names_a_client_or_a_user(tmp_path: Path, log_format: str, seed: int):
    with private(tmp_path, SIGNALING_LOG_FORMAT=log_format) as server:
        walk = Walk(server, seed)
        for _ in range(150):
            with suppress(ConnectionError):
                walk.step()
        # The ways into the log that a walk may have missed.
        for path in ("greenlet", "break"):
            walk.request(f"/{path}/{USERS[2]}")
        walk.guess()
        walk.refused()
        handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        walk.request("/", **handshake, **{"Sec-WebSocket-Key": USERS[0]})
        walk.request("/", **handshake | {"Sec-WebSocket-Version": USERS[0]})
        with Client(server, headers={"X-Forwarded-For": FORWARDED[0]}) as client:
            client.send(type=USERS[0])
            client.receive()
            client.join(USERS[0], USERS[1])
        found = pages(server)
        server.wait_for_log("An error ended a greenlet")
        server.wait_for_log("ValueError")
        server.wait_for_log("Refused a WebSocket from a client")
        server.wait_for_log("A wrong token")
        server.wait_for_log("Error unknown-type")
        for client in walk.clients:
            client.vanish()
    found |= {"log": "\n".join(server.log), "access": (tmp_path / "access").read_text()}
    assert len(found["access"].splitlines()) > 20
    for name, text in found.items():
        for trace in TRACES:
            for form in (trace, quote(trace, safe="")):
                lines = [line for line in text.splitlines() if form.casefold() in line.casefold()]
                assert not lines, (name, lines[:3])
    # The operator finds the calls of a user all the same.
    names = set(re.findall(r"User (\w{16}) is joining", found["log"]))
    assert len(names) > 1
    searched = json.loads(found[f"/ops/calls.json?user={USERS[0]}"])
    of_one = [set(call["users"]) for call in searched["recent"] + searched["open"]]
    assert of_one
    assert set.intersection(*of_one) & names


def test_without_the_switch_the_same_walk_leaves_traces(tmp_path: Path):
    """So the test above can fail."""
    with private(tmp_path, SIGNALING_PRIVACY="false") as server:
        walk = Walk(server, 1)
        for _ in range(150):
            with suppress(ConnectionError):
                walk.step()
        found = pages(server)
        for client in walk.clients:
            client.vanish()
    found |= {"log": "\n".join(server.log), "access": (tmp_path / "access").read_text()}
    assert {trace for trace in TRACES if trace in found["log"]} == set(TRACES)
    assert "known-person" in found["/ops/calls.json"]
    assert "known-person" in found["access"]


def test_a_salt_of_the_operator_names_a_user_as_the_document_says(tmp_path: Path):
    expected = hmac.digest(SALT.encode(), b"alice", hashlib.sha256).hex()[:16]
    [command] = re.findall(r"^printf %s alice .*$", DOCUMENT.read_text(), re.MULTILINE)
    environ = os.environ | {"SIGNALING_PRIVACY_SALT": SALT}
    assert subprocess.check_output(command, shell=True, text=True, env=environ) == f"{expected}\n"
    for _ in range(2):
        with Server(SIGNALING_PRIVACY="true", SIGNALING_PRIVACY_SALT=SALT) as server:
            with Client(server) as alice:
                alice.join("alice", "bob")
            server.wait_for_log(f"User {expected} is joining")
        assert SALT not in "\n".join(server.log)


def test_the_line_of_a_call_has_the_same_names(tmp_path: Path):
    with Server(SIGNALING_PRIVACY="true", SIGNALING_LOG_EVENTS="calls") as server:
        with Client(server) as alice:
            alice.join("alice", "bob")
            alice.send(type="bye")
        server.wait_for_log(r"User \w{16} waited for \w{16}, who did not come")
        wait_until(lambda: not server.health()["connections"])
    assert not [line for line in server.log if "alice" in line or "127.0.0.1" in line]
