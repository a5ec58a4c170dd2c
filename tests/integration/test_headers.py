"""What each response tells a browser, and that nobody writes a header, or a line of the log, of his own."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.driver import Client, Server
from tests.waiting import TIMEOUT

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    """Without TLS, as behind a proxy on the same host."""
    settings = {"SIGNALING_BIND": "127.0.0.1", "SIGNALING_TRUSTED_PROXIES": "127.0.0.1"}
    with Server(SIGNALING_ALLOWED_ORIGINS="https://a.example", **settings) as running:
        yield running


def headers(server: Server, path: str = "/", given: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    if server.tls:
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=TIMEOUT, context=server.tls)
    else:
        connection = http.client.HTTPConnection("localhost", server.port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers=given or {})
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/", {"Accept": "text/html"}, 200),
        ("/", {}, 200),
        ("/ws", {}, 426),
        ("/", {**HANDSHAKE, "Sec-WebSocket-Key": "short"}, 400),
        ("/healthz", {}, 200),
        ("/ice-servers", {}, 200),
        ("/static/client.js", {}, 200),
        ("/static/nothing.js", {}, 404),
        ("/nothing", {}, 404),
        ("//healthz", {}, 404),
        ("/nothing", HANDSHAKE, 404),
        ("/healthz", HANDSHAKE, 400),
    ],
)
def test_every_response_has_them(server: Server, path: str, given: dict[str, str], status: int):
    found, told = headers(server, path, given)
    assert found == status
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Referrer-Policy"] == "no-referrer"
    allowed = dict(feature.split("=") for feature in told["Permissions-Policy"].split(", "))
    used = {"camera", "microphone", "display-capture", "fullscreen", "speaker-selection"}
    assert {name for name, who in allowed.items() if who == "(self)"} == used
    assert {who for name, who in allowed.items() if name not in used} == {"()"}


def test_a_page_loads_nothing_from_elsewhere_and_runs_no_script_in_itself(server: Server):
    _, told = headers(server, "/", {"Accept": "text/html"})
    policy = told["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in told["Content-Security-Policy"]


def test_no_version_of_any_software_is_told(server: Server):
    for given in ({}, HANDSHAKE, {**HANDSHAKE, "Sec-WebSocket-Key": "short"}):
        _, told = headers(server, "/", given)
        assert not re.search(r"\d", told.get("Server", ""))
        assert "X-Powered-By" not in told


HSTS = "Strict-Transport-Security"
MONTH = {"SIGNALING_HSTS_MAX_AGE": 2_592_000}


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/client.js"])
def test_by_default_no_browser_is_told_to_use_tls_alone_with_the_host(server: Server, path: str):
    """It would hold for every port of the host, whatever else is there."""
    assert HSTS not in headers(server, path)[1]


def test_by_default_a_proxy_with_tls_changes_nothing_about_it(plain: Server):
    assert HSTS not in headers(plain, given={"X-Forwarded-Proto": "https"})[1]


def test_over_tls_browsers_are_told_for_as_long_as_is_set(certificate: Path):
    with Server(certificate, **MONTH) as server:
        for path in ("/", "/healthz", "/static/client.js"):
            assert headers(server, path)[1][HSTS] == "max-age=2592000"


def test_without_tls_nobody_is_told_and_over_that_of_a_proxy_everybody_is():
    with Server(SIGNALING_BIND="127.0.0.1", **MONTH) as server:
        assert HSTS not in headers(server)[1]
        assert headers(server, given={"X-Forwarded-Proto": "https"})[1][HSTS] == "max-age=2592000"


def answer(server: Server, request: bytes) -> bytes:
    """Send an HTTP request as it is, and return what comes back until the server ends it."""
    with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def lines_are_the_servers_own(server: Server, since: int) -> bool:
    """Tell if each line of the log begins with the time, and not with what a client wrote."""
    return all(re.match(r"\[(?!2001)\d{4}-\d\d-\d\dT[\d:.]+Z\] ", line) for line in server.log[since:] if line)


@pytest.mark.parametrize("end", [b"\r\n ", b"\n", b"\r", b"\0", b"\x0b", b"\x85", b"\xe2\x80\xa8"])
@pytest.mark.parametrize("name", [b"Host", b"Origin", b"X-Forwarded-For", b"Sec-WebSocket-Key"])
def test_a_header_does_not_get_into_the_answer_or_the_log(plain: Server, name: bytes, end: bytes):
    """Folded, or with anything that somebody takes for the end of a line."""
    since = len(plain.log)
    given = {key.encode(): value.encode() for key, value in HANDSHAKE.items()} | {b"Host": b"localhost"}
    given[name] = b"https://evil.example" + end + b"X-Injected: yes"
    head = b"".join(b"%s: %s\r\n" % item for item in given.items())
    answered, _, _ = answer(plain, b"GET / HTTP/1.1\r\n" + head + b"\r\n").partition(b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 ")
    assert b"Injected" not in answered
    with Client(plain) as client:
        assert client.quiet()
    assert lines_are_the_servers_own(plain, since)


@pytest.mark.parametrize("path", ["/%0d%0aX-Injected:yes", "/static/%0d%0aX-Injected:yes", "/?me=%0d%0aX-Injected:yes"])
def test_a_path_does_not_get_into_the_answer(plain: Server, path: str):
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answered, _, _ = answer(plain, request.encode()).partition(b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 ")
    assert b"Injected" not in answered


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x85", "\u2028", "\u2029", "\x1b[2K"])
def test_an_id_does_not_get_into_the_log_as_a_line(plain: Server, end: str):
    since = len(plain.log)
    name = f"eve{end}[2001-01-01T00:00:00.000Z] User root joined"
    with Client(plain) as eve:
        created, info = eve.join(name, "bob")
        assert created["room"] == f"room_bob_{name}"
        assert info["users"][0]["userId"] == name, "a client gets it back as it is"
    plain.wait_for_log("is joining room", since)
    plain.wait_for_log("Client disconnected", since)
    assert lines_are_the_servers_own(plain, since)
    assert not [
        line for line in plain.log[since:] if re.search(r"^\[2026-01-01|[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    ]
