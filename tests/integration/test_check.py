"""The check that an operator runs against a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.certificates import make_certificate
from tests.driver import ROOT, Client, Server
from tests.waiting import TIMEOUT


def check(*arguments: object, program: tuple[str, ...] = ("-m", "signaling.check")) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT
    )


def test_a_good_server_passes_and_keeps_nothing_of_it(server: Server):
    done = check(server.ws_url, "--ca", server.certificate)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{server.ws_url}: two users met and exchanged offer, answer and candidate in ")
    assert server.health()["rooms"] == 0


def test_the_file_alone_is_enough(server: Server):
    done = check(server.ws_url, "--ca", server.certificate, program=("signaling/check.py",))
    assert (done.returncode, done.stderr) == (0, "")


def test_another_address_is_connected_to_under_the_name_of_the_url(server: Server):
    url = f"wss://localhost:{server.port}/"
    assert check(url, "--ca", server.certificate, "--connect", "127.0.0.1").returncode == 0
    assert "Connect call failed ('127.0.0.2', 1)" in check("ws://localhost:1/", "--connect", "127.0.0.2").stderr


def test_a_certificate_that_is_not_trusted_fails(server: Server, tmp_path: Path):
    done = check(server.ws_url, "--ca", make_certificate(tmp_path / "other.crt"))
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_no_server_is_one_line(server: Server):
    done = check("ws://127.0.0.1:1/")
    assert done.returncode == 1
    assert done.stderr.startswith("ws://127.0.0.1:1/: ")
    assert done.stderr.count("\n") == 1


def test_a_server_that_is_full_or_no_websocket_server_fails():
    with Server(SIGNALING_MAX_CONNECTIONS=1) as server:
        with Client(server):
            assert "HTTP 503" in check(server.ws_url).stderr
        done = check(server.ws_url + "/healthz")
        assert (done.returncode, "HTTP 400" in done.stderr) == (1, True)


LOGIN = """
from flask import Flask, redirect
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
app.before_request(lambda: redirect("/login?next=1"))
Signaling(app)
"""


def test_a_login_that_catches_the_requests_of_the_service_is_one_line(tmp_path: Path):
    (tmp_path / "walled.py").write_text(LOGIN)
    server = Server(None, app="walled:app", PYTHONPATH=f"{tmp_path}:{ROOT}")
    try:
        # It never counts as healthy.
        [port] = re.findall(r":(\d+) \(", server.wait_for_log("Listening at"))
        done = check(f"ws://localhost:{port}/")
        assert done.returncode == 1
        assert "the server redirects the WebSocket to '/login?next=1', which no browser follows" in done.stderr
        assert done.stderr.count("\n") == 1
        health = subprocess.run(
            [sys.executable, "-m", "signaling.health"],
            env={"PORT": port},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert health.returncode == 1
        assert health.stdout.startswith("No answer: /healthz redirects to '/login?next=1'; ")
    finally:
        server.stop()
