"""What is there beside the WebSocket, and how a handshake that is wrong is refused."""

from __future__ import annotations

import http.client

import pytest

from tests.driver import Client, Server
from tests.waiting import TIMEOUT

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(server: Server, path: str = "/", headers: dict[str, str | None] | None = None, **more):
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=TIMEOUT, context=server.tls)
    try:
        given = {name: value for name, value in (headers or {}).items() if value is not None}
        connection.request(more.get("method", "GET"), path, headers=given, body=more.get("body"))
        response = connection.getresponse()
        body = b"" if response.status == 101 else response.read()
        return response, body.decode()
    finally:
        connection.close()


def test_a_monitor_finds_the_banner(server: Server):
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}):
        response, body = ask(server, headers=accept)
        assert (response.status, response.getheader("Content-Type")) == (200, "text/plain; charset=utf-8")
        assert "WebRTC Signaling Server Running" in body


def test_a_browser_gets_the_page_with_the_banner_in_it(server: Server):
    response, body = ask(server, "/?me=alice&peer=bob", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (response.status, response.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert "WebRTC Signaling Server Running" in body
    assert response.getheader("Vary") == "Accept"
    assert "unsafe" not in response.getheader("Content-Security-Policy")


def test_health_counts(server: Server):
    before = server.health()
    assert set(before) == {"status", "uptime", "connections", "rooms"}
    with Client(server) as client:
        client.join("health", "check")
        during = server.health()
    assert (during["connections"], during["rooms"]) == (before["connections"] + 1, before["rooms"] + 1)
    assert during["uptime"] >= before["uptime"]


@pytest.mark.parametrize("path", ["/", "/ws"])
def test_the_handshake_of_rfc_6455_section_1_3(server: Server, path: str):
    response, _ = ask(server, path, HANDSHAKE)
    assert response.status == 101
    assert response.getheader("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "AAAA"}, 400),
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Connection": "close"}, 400),
        ({"Content-Length": "3"}, 400),
    ],
)
def test_a_wrong_handshake_is_refused_with_one_line_in_the_log(server: Server, change, status: int):
    since = len(server.log)
    response, body = ask(server, "/", HANDSHAKE | change, body=b"abc" if "Content-Length" in change else None)
    assert response.status == status
    assert body.count("\n") == 1
    if status == 426:
        assert response.getheader("Sec-WebSocket-Version") == "13"
    assert f" {status} " in server.wait_for_log("Refused a WebSocket from", since)
    assert not [line for line in server.log[since:] if "Traceback" in line]


def test_ws_without_an_upgrade_says_what_it_is_for(server: Server):
    response, _ = ask(server, "/ws")
    assert (response.status, response.getheader("Upgrade")) == (426, "websocket")


def test_what_is_not_there_is_404(server: Server):
    assert ask(server, "/nothing")[0].status == 404
    assert ask(server, "/nothing", HANDSHAKE)[0].status == 404
