"""The commands that ask a running service, against a small HTTP server that answers as the service does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from signaling import Signaling

TOKEN = "the token of the API"
CALL = {
    "id": "c1",
    "users": ["alice", "bob"],
    "startedAt": "1970-01-01T00:00:00.000Z",
    "connectedAt": "1970-01-01T00:00:02.500Z",
    "path": "relay",
}
WAIT = {"user": "carol", "peer": "dave", "since": "1970-01-01T00:01:00.000Z"}


class Service(ThreadingHTTPServer):
    """It answers each request as `answers` says, and remembers the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str]] = []
        self.answers: dict[str, tuple[int, str, Any]] = {
            "/call/api/calls": (200, "application/json", {"calls": [CALL]}),
            "/call/api/waiting": (200, "application/json", {"waiting": [WAIT]}),
            "/call/api/users/carol": (200, "application/json", {"id": "carol", "waiting": [WAIT]}),
            "/call/api/users/a%2Fb%20%C3%BC/connections": (200, "application/json", {"closed": 2}),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/call"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def answer(self) -> None:
        self.server.requests.append((self.command, self.path))
        status, kind, content = self.server.answers.get(
            self.path.partition("?")[0], (404, "application/problem+json", {"title": "Not Found", "status": 404})
        )
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, kind, content = 401, "application/problem+json", {"title": "Unauthorized", "detail": "a token"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/call/api/waiting")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    Signaling(app, url_prefix="/call")
    # The app reads its settings when it is initialised; the commands, when they run.
    app.config["SIGNALING_API_TOKEN"] = TOKEN
    return app


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["signaling", *arguments])


def test_calls_are_a_table(app: Flask, service: Service):
    done = run(app, "calls", "--url", service.url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "CALL  USERS      STARTED                  CONNECTED                PATH",
        "c1    alice bob  1970-01-01 00:00:00 UTC  1970-01-01 00:00:02 UTC  relay",
    ]


@pytest.mark.parametrize("url", ["ws{}/ws", "http{}", "http{}/"])
def test_the_address_may_be_that_of_the_websocket(app: Flask, service: Service, url: str):
    done = run(app, "calls", "--json", "--url", url.format(service.url.removeprefix("http")))
    assert json.loads(done.stdout) == {"calls": [CALL]}


@pytest.mark.parametrize(("arguments", "path"), [([], "/call/api/waiting"), (["carol"], "/call/api/users/carol")])
def test_those_who_wait_are_a_table(app: Flask, service: Service, arguments: list[str], path: str):
    done = run(app, "waiting", *arguments, "--url", service.url)
    assert done.stdout.splitlines()[1:] == ["carol  dave       1970-01-01 00:01:00 UTC"]
    assert service.requests == [("GET", path)]


def test_a_user_of_any_name_is_disconnected_and_barred(app: Flask, service: Service):
    done = run(app, "disconnect", "a/b ü", "--bar", "60", "--url", service.url)
    assert service.requests == [("DELETE", "/call/api/users/a%2Fb%20%C3%BC/connections?bar=60")]
    assert done.stdout == "Closed 2 connections of a/b ü; their joins are refused for 60 seconds\n"
    done = run(app, "disconnect", "a/b ü", "--json", "--url", service.url)
    assert service.requests[1:] == [("DELETE", "/call/api/users/a%2Fb%20%C3%BC/connections")]
    assert json.loads(done.stdout) == {"closed": 2}


def test_nothing_is_said_in_a_line(app: Flask, service: Service):
    service.answers = {path: (200, "application/json", {}) for path in service.answers}
    assert run(app, "calls", "--url", service.url).stdout == "No calls.\n"
    assert run(app, "waiting", "--url", service.url).stdout == "Nobody waits.\n"


def test_a_node_that_does_not_answer_is_named(app: Flask, service: Service):
    service.answers["/call/api/calls"] = (200, "application/json", {"calls": [], "missing": ["host:7", "host:8"]})
    done = run(app, "calls", "--url", service.url)
    assert (done.stdout, done.stderr) == ("No calls.\n", "Not complete, no answer from: host:7, host:8\n")


def test_what_a_service_without_its_redis_knows_is_marked(app: Flask, service: Service):
    service.answers["/call/api/calls"] = (200, "application/json", {"calls": [CALL], "partial": True})
    done = run(app, "calls", "--url", service.url)
    assert done.stderr == "Not complete: the service cannot reach its Redis\n"
    assert len(done.stdout.splitlines()) == 2


def test_a_name_cannot_write_lines_of_its_own(app: Flask, service: Service):
    evil = CALL | {"users": ["alice\nforged", "\x1b[2J"]}
    service.answers["/call/api/calls"] = (200, "application/json", {"calls": [evil]})
    lines = run(app, "calls", "--url", service.url).stdout.splitlines()
    assert len(lines) == 2
    assert "alice\\nforged \\u001b[2J" in lines[1]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((503, "application/problem+json", {"title": "Redis is down", "detail": "Try later"}), "HTTP 503: Redis is"),
        ((404, "text/html", b"<html>"), "HTTP 404"),
        ((302, "text/html", b""), "HTTP 302"),
        ((200, "text/html", b"<html>"), "the answer is no JSON object: is it the address of a signaling service?"),
        ((200, "application/json", []), "the answer is no JSON object"),
        ((500, "application/json", {"title": "x" * 9_999 + "\n"}), "HTTP 500: xxx"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(app: Flask, service: Service, answer: tuple[int, str, Any], why: str):
    service.answers["/call/api/calls"] = answer
    done = run(app, "calls", "--url", service.url)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{service.url}/api/calls: {why}" in done.stderr
    assert len(done.stderr) < 500
    # A redirect is not followed: it would take the token along.
    assert len(service.requests) == 1


def test_a_wrong_token_is_one_line_and_not_shown(app: Flask, service: Service):
    app.config["SIGNALING_API_TOKEN"] = "wrong"
    done = run(app, "calls", "--url", service.url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {service.url}/api/calls: HTTP 401: Unauthorized: a token\n"


@pytest.mark.parametrize("command", [["calls"], ["waiting"], ["disconnect", "alice"], ["check"]])
def test_an_unreachable_service_is_one_line_and_status_1(app: Flask, command: list[str]):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = run(app, *command, "--url", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "onnect" in done.stderr


def test_a_missing_token_is_a_wrong_setting(app: Flask, service: Service):
    del app.config["SIGNALING_API_TOKEN"]
    done = run(app, "calls", "--url", service.url)
    assert (done.exit_code, service.requests) == (78, [])
    assert done.stderr.startswith("Error: SIGNALING_API_TOKEN is not set")


def test_the_address_of_the_service_is_a_setting(app: Flask, service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNALING_SERVICE_URL", service.url)
    assert run(app, "calls").exit_code == 0
    monkeypatch.setenv("SIGNALING_SERVICE_URL", "call.example.org")
    done = run(app, "calls")
    assert (done.exit_code, len(service.requests)) == (78, 1)
    assert done.stderr.startswith("Error: SIGNALING_SERVICE_URL: 'call.example.org' is no URL")
    assert run(app, "calls", "--url", "call.example.org").exit_code == 2


def own(*arguments: str, **environ: str) -> str:
    """Return the address that is tried without a URL."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        app = Flask("shop")
        Signaling(app, url_prefix="/call")
        Signaling(app, name="support")
    app.config["SIGNALING_API_TOKEN"] = TOKEN
    return str(run(app, "calls", *arguments).stderr)


def test_without_a_url_the_apps_own_address_is_asked(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        assert f"http://localhost:{port}/call/api/calls: " in own(PORT=port)
        assert f"http://localhost:{port}/support/api/calls: " in own("--name", "support", PORT=port)
        assert "if the service listens elsewhere, name it with --url" in own(PORT=port)
        assert f"http://127.0.0.1:{port}/call" in own(PORT=port, SIGNALING_BIND="127.0.0.1")
        assert f"https://localhost:{port}/call" in own(
            PORT=port, SIGNALING_TLS_CERT=str(tmp_path), SIGNALING_TLS_KEY=str(tmp_path)
        )
    assert "PORT=0 is no address to connect to: name the service with --url" in own(PORT="0")
    assert "SIGNALING_BIND='unix:/run/x' is no address" in own(SIGNALING_BIND="unix:/run/x")


def test_a_named_instance_has_no_service_of_the_default_instance(service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNALING_SERVICE_URL", service.url)
    monkeypatch.setenv("SIGNALING_SERVICE_SECRET", "a secret of the service that is long enough")
    monkeypatch.setenv("SIGNALING_API_TOKEN", TOKEN)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PORT", port := str(free.getsockname()[1]))
        app = Flask("shop")
        Signaling(app)
        Signaling(app, name="support")
        assert run(app, "calls").exit_code == 0
        assert f"http://localhost:{port}/support/api/calls: " in run(app, "calls", "--name", "support").stderr
    assert len(service.requests) == 1


def test_the_service_of_a_named_instance_is_a_setting_of_its_name(
    app: Flask, service: Service, monkeypatch: pytest.MonkeyPatch
):
    Signaling(app, name="the-support")
    monkeypatch.setenv("SIGNALING_SERVICE_URL", "http://127.0.0.1:9")
    app.config["THE_SUPPORT_SIGNALING_SERVICE_URL"] = service.url
    assert run(app, "calls", "--name", "the-support").exit_code == 0
    app.config["THE_SUPPORT_SIGNALING_SERVICE_URL"] = "call.example.org"
    done = run(app, "calls", "--name", "the-support")
    assert (done.exit_code, len(service.requests)) == (78, 1)
    assert done.stderr.startswith("Error: THE_SUPPORT_SIGNALING_SERVICE_URL: 'call.example.org' is no URL")
