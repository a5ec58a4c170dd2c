"""The HTTP API over real connections, with one worker and its rooms in memory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.driver import Server, meet
from tests.waiting import TIMEOUT

TOKEN = "the token of the API"
HEAD = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(SIGNALING_API_TOKEN=TOKEN) as running:
        yield running


def ask(server: Server, request: str) -> tuple[int, str, str]:
    """Send a request as it is written; return the status, the headers and the body."""
    with socket.create_connection(("localhost", server.port), TIMEOUT) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def test_a_call_is_found_and_ended_by_ids_with_a_slash(server: Server):
    alice, bob = meet(server, "team/alice", "bob")
    with alice, bob:
        status, _, body = ask(server, f"GET /api/users/team%2Falice HTTP/1.1\r\n{HEAD}\r\n")
        assert (status, json.loads(body)["id"]) == (200, "team/alice")
        [call] = json.loads(body)["calls"]
        # A proxy may send the whole URL.
        whole = f"http://localhost/api/users/team%2Falice/connections?bar=0.5 HTTP/1.1\r\n{HEAD}\r\n"
        assert json.loads(ask(server, f"DELETE {whole}")[2]) == {"closed": 1, "missing": []}
        assert alice.receive()["code"] == "ended"
        assert call["users"] == ["bob", "team/alice"]


@pytest.mark.parametrize(
    "path",
    ["/%61pi/calls", "//api/calls", "/api/%63alls", "/api/./calls", "/api/users/x/../../calls", "/x/../api/calls"],
)
def test_another_way_to_write_a_path_leads_nowhere(server: Server, path: str):
    assert ask(server, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n")[0] == 404


@pytest.mark.parametrize("size", [1, 70_000])
def test_a_body_is_refused_unread_and_does_nothing(server: Server, size: int):
    alice, bob = meet(server, "amy", "ben")
    with alice, bob:
        body = "x" * size
        request = f"DELETE /api/users/amy/connections HTTP/1.1\r\n{HEAD}Content-Length: {size}\r\n\r\n{body[:1000]}"
        assert ask(server, request)[0] == 400
        chunked = f"DELETE /api/users/amy/connections HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
        assert ask(server, f"{chunked}1\r\nx\r\n")[0] == 400
        assert alice.quiet()


def test_one_shared_secret_turns_on_the_api_and_tokens():
    with Server(SIGNALING_SERVICE_SECRET="a secret of thirty-two bytes or more") as server:
        status, head, _ = ask(server, f"GET /api/calls HTTP/1.1\r\n{HEAD}\r\n")
        assert (status, "WWW-Authenticate: Bearer" in head) == (401, True)
        server.wait_for_log("Authentication is on: a join needs a token")
