"""The check that an operator runs against a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.certificates import make_certificate
from tests.driver import ROOT, Client, Server
from tests.unit.security.test_jwt import PRIVATE, SECRET, pem
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


def check_as_an_app(*arguments: object, app: str = "wsgi", **environ: object) -> subprocess.CompletedProcess[str]:
    """Run `flask signaling check` in an app with these settings in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", app, "signaling", "check", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"} | {name: str(value) for name, value in environ.items()},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def test_an_app_checks_its_own_address_whatever_its_certificate_names(server: Server, certificate: Path):
    tls = {"SIGNALING_TLS_CERT": certificate, "SIGNALING_TLS_KEY": certificate.with_suffix(".key")}
    done = check_as_an_app(PORT=server.port, **tls)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{server.ws_url}/ws: two users met and exchanged offer, answer and candidate in ")
    # Another address must prove itself.
    done = check_as_an_app("--url", server.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert check_as_an_app("--url", server.url, "--ca", certificate).returncode == 0


def test_an_app_with_a_secret_checks_with_tokens_of_its_own():
    settings = {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_AUDIENCE": "calls"}
    with Server(**settings) as server:
        done = check_as_an_app(PORT=server.port, **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "two users met" in done.stdout
        done = check_as_an_app("--refused", PORT=server.port, **settings)
        assert done.stdout == f"{server.ws_url}/ws: a join is refused: Unauthorized: a token is needed\n"
        # This one cannot sign.
        done = check_as_an_app(PORT=server.port, SIGNALING_JWT_KEY=pem(PRIVATE["ES256"]))
        assert (done.returncode, done.stderr) == (1, f"Error: {server.ws_url}/ws: Unauthorized: a token is needed\n")


WITH_LOGIN = """
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
signaling = Signaling(app)
signaling.user_loader(lambda: None)
"""


def test_an_app_with_a_login_is_checked_as_far_as_a_stranger_gets(tmp_path: Path):
    (tmp_path / "login.py").write_text(WITH_LOGIN)
    with Server(app="login:app", PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        done = check_as_an_app(app="login", PORT=server.port, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{server.ws_url}/ws: the service answers, and lets in only users who are logged in\n"


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
