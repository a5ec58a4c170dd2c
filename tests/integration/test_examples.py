"""The examples of docs/examples start by the one command of their READMEs, and their own tests pass."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from tests.beside_example import EXAMPLES, BesideExample, environment
from tests.driver import Client
from tests.waiting import TIMEOUT, wait_until


@contextmanager
def started(example: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Start an example by the command of its README, on a free port, and yield its URL."""
    [command] = re.findall(r"```sh\n(.*)\n```", (EXAMPLES / example / "README.md").read_text())
    command = command.removeprefix("pip install -r requirements.txt && ").replace("--port 8000", "--port 0")
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=EXAMPLES / example,
        env=environment(GUNICORN_CMD_ARGS="--bind=localhost:0", **settings),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        log = ""
        for line in process.stderr:
            log += line
            if found := re.search(r"(?:Listening at:|Running on) http://\S+:(\d+)", line):
                yield f"http://localhost:{found[1]}"
                break
        else:
            raise AssertionError(log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.stderr.read()
        process.wait(TIMEOUT)
        process.stderr.close()


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        return str(response.read().decode())


def test_the_minimal_app_has_the_call_page():
    with started("minimal", {}) as url:
        assert 'href="/call/?me=alice&amp;peer=bob"' in page(url)
        request = urllib.request.Request(f"{url}/call/", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            assert b"Join the call" in response.read()


def test_the_clinic_opens(tmp_path: Path):
    with started("clinic", {"FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/clinic.db"}) as url:
        assert "User name" in page(url)


@pytest.mark.long
def test_the_tests_of_the_clinic_pass():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    folder = EXAMPLES / "clinic"
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_calls_of_the_clinic_are_under_sixty_lines():
    assert len((EXAMPLES / "clinic/clinic/calls.py").read_text().splitlines()) < 60


class Browser:
    """A browser in which a user of the clinic has logged in by the form."""

    def __init__(self, example: BesideExample, user: str) -> None:
        self._example = example
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = self.open("/login")
        self.open("/login", f"csrf_token={csrf_token(form)}&login={user}&password=demo".encode())

    def open(self, path: str, data: bytes | None = None, **headers: str) -> str:
        request = urllib.request.Request(self._example.url + path, data, headers)
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return str(response.read().decode())

    def token(self, peer: str) -> str:
        headers = {"Content-Type": "application/json", "Origin": self._example.url}
        return str(json.loads(self.open("/signaling/token", json.dumps({"peer": peer}).encode(), **headers))["token"])

    def join(self, me: str, peer: str, token: str | None = None) -> tuple[Client, dict[str, Any]]:
        client = Client(self._example, "/call/ws")
        client.send(type="join", userId=me, remoteId=peer, token=token or self.token(peer))
        return client, client.receive()

    def log_out(self, page: str) -> str:
        return self.open("/logout", f"csrf_token={csrf_token(page)}".encode())


def csrf_token(page: str) -> str:
    return re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page)[0]


def refusal(of: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        of()
    with refused.value as error:
        return error.code


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BesideExample]:
    with BesideExample(tmp_path_factory.mktemp("beside")) as running:
        yield running


GRACE, ADA, EVE = "1", "2", "3"


def durations(example: BesideExample) -> list[float]:
    with closing(sqlite3.connect(example.database, timeout=30)) as connection:
        return [seconds for (seconds,) in connection.execute("SELECT seconds FROM consultation")]


def test_two_users_of_the_clinic_beside_the_service_meet_and_each_call_is_stored_once(beside: BesideExample):
    ada, grace = Browser(beside, "ada"), Browser(beside, "grace")
    assert "is waiting for you" not in grace.open("/")
    for calls in (1, 2):
        before = len(durations(beside))
        patient, reply = ada.join(ADA, GRACE)
        assert reply["type"] == "created"
        # Whichever of the four workers answers.
        assert all("Ada Lovelace is waiting for you." in grace.open("/") for _ in range(8))
        doctor, reply = grace.join(GRACE, ADA)
        assert reply["type"] == "joined"
        assert "is waiting for you" not in grace.open("/")
        for client in (patient, doctor):
            client.send(type="bye")
            client.close()
        wait_until(lambda before=before: len(durations(beside)) > before)
        assert len(durations(beside)) == calls
    assert "You have talked for" in ada.open("/")


def test_a_stranger_beside_the_two_is_refused(beside: BesideExample):
    eve = Browser(beside, "eve")
    assert refusal(lambda: eve.open("/appointments/1/call")) == 403
    assert [refusal(lambda peer=peer: eve.token(peer)) for peer in (ADA, GRACE, "nobody")] == [403] * 3
    assert refusal(lambda: eve.open("/call/api/calls")) == 404
    own = Browser(beside, "ada").token(GRACE)
    # Neither without a token, nor with that of another user.
    for me, token in ((EVE, "none"), (EVE, own), (GRACE, own)):
        client, reply = eve.join(me, ADA, token)
        assert reply["code"] == "unauthorized"
        assert client.closed()[0] == 4003


def test_a_logout_closes_the_connection_at_the_service_and_gives_no_more_tokens(beside: BesideExample):
    grace = Browser(beside, "grace")
    page = grace.open("/")
    client, _ = grace.join(GRACE, ADA)
    for _ in range(2):
        assert "Password" in grace.log_out(page)
        page = grace.open("/login")
    client.receive()
    assert client.receive()["code"] == "ended"
    assert client.closed()[0] == 4004
    assert refusal(lambda: grace.token(ADA)) == 401


@pytest.mark.long
def test_the_whole_example_ends_with_one_of_its_three(tmp_path: Path):
    with BesideExample(tmp_path) as example:
        nginx = int((tmp_path / "beside/run/nginx.pid").read_text())
        os.kill(nginx, signal.SIGTERM)
        example.process.wait(TIMEOUT)
        for port in example.ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
