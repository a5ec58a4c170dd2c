"""The operator's page of a real server: who gets it, and what it says of each call."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.driver import Client, Server, meet
from tests.integration.test_http import ask
from tests.waiting import TIMEOUT, wait_until

TOKEN = "für den Betrieb"
METRICS = "m" * 32
PAGES = ["/ops", "/ops/state.json", "/ops/calls.json"]


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def operated(certificate: Path) -> Iterator[Server]:
    with Server(
        certificate,
        SIGNALING_OPS_TOKEN=TOKEN,
        SIGNALING_ALLOWED_ORIGINS="https://app.example.org",
        SIGNALING_OPS_CALLS=50,
    ) as running:
        yield running


def get(server: Server, path: str) -> dict[str, Any]:
    response, body = ask(server, path, {"Authorization": basic(TOKEN)})
    assert (response.status, response.getheader("Cache-Control")) == (200, "no-store")
    return json.loads(body)


def call_of(server: Server, user: str, kind: str = "open") -> dict[str, Any]:
    """The one call of `user`, as soon as it is there."""
    (call,) = wait_until(lambda: get(server, f"/ops/calls.json?user={quote(user)}")[kind])
    return call


def timeline(call: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["users"][step["user"]], step["what"]) for step in call["steps"]]


@pytest.mark.parametrize("path", PAGES)
def test_who_has_no_token_set_has_no_such_page(server: Server, path: str):
    assert ask(server, path, {"Authorization": basic("")})[0].status == 404


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_asks_for_the_password(operated: Server, path: str):
    response, body = ask(operated, path)
    assert response.status == 401
    assert response.getheader("WWW-Authenticate") == 'Basic realm="operator", charset="UTF-8"'
    assert body == "A token is needed.\n"


@pytest.mark.parametrize("given", [basic(TOKEN), basic(TOKEN, ""), "Bearer " + TOKEN.encode().decode("latin-1")])
@pytest.mark.parametrize("path", PAGES)
def test_the_token_is_a_password_or_a_bearer_token(operated: Server, path: str, given: str):
    response, body = ask(operated, path, {"Authorization": given})
    assert response.status == 200
    if response.getheader("Content-Type", "").startswith("text/html"):
        assert "unsafe" not in response.getheader("Content-Security-Policy")
    assert body


def test_a_call_that_was_answered(operated: Server):
    alice, bob = meet(operated, "alice", "bob")
    assert call_of(operated, "alice")["state"] == "negotiating"
    alice.send(type="message", data={"type": "offer", "sdp": "v=0 c=IN IP4 192.0.2.1"})
    bob.receive()
    for kind in ("host", "srflx"):
        alice.send(type="candidate", candidate={"candidate": f"candidate:1 1 udp 1 192.0.2.1 5 typ {kind}"})
        bob.receive()
    bob.send(type="message", data={"type": "answer", "sdp": "v=0 c=IN IP4 192.0.2.1"})
    alice.receive()
    call = call_of(operated, "bob")
    assert (call["state"], call["present"]) == ("settled", [True, True])
    assert 0 < call["answeredIn"] < TIMEOUT
    alice.close(1000)
    bob.vanish()

    call = call_of(operated, "alice", "recent")
    assert (call["state"], call["present"]) == ("over", [False, False])
    assert timeline(call) == [
        ("alice", "created"),
        ("bob", "joined"),
        ("alice", "ready"),
        ("alice", "offer"),
        ("alice", "candidates"),
        ("bob", "answer"),
        ("alice", "left"),
        ("bob", "left"),
    ]
    assert call["steps"][4]["candidates"] == {"host": 1, "srflx": 1}
    assert [step["detail"] for step in call["steps"][-2:]] == ["left, close code 1000", "lost, close code 1006"]
    assert call["diagnosis"].startswith("Answered after")
    assert "192.0.2.1" not in json.dumps(call)
    assert "v=0" not in json.dumps(call)


def test_a_call_that_nobody_came_to(operated: Server):
    with Client(operated) as carol:
        carol.join("carol", 7)
        call = call_of(operated, "carol")
        assert (call["users"], call["present"], call["diagnosis"]) == (
            ["7", "carol"],
            [False, True],
            "carol waits for 7.",
        )
    assert call_of(operated, "carol", "recent")["diagnosis"] == "7 never came."


def test_calls_are_the_newest_first_and_found_by_a_part_of_the_name(operated: Server):
    for number in range(3):
        with Client(operated) as client:
            client.join(f"Zed {number}", "nobody")
    found = wait_until(lambda: len(f := get(operated, "/ops/calls.json?user=zED")["recent"]) == 3 and f)
    assert [call["users"][0] for call in found] == ["Zed 2", "Zed 1", "Zed 0"]
    assert get(operated, "/ops/calls.json?user=nobody-else") == {"open": [], "recent": [], "most": 100}


def test_calls_that_are_over_are_bounded(operated: Server):
    with Client(operated) as client:
        for number in range(55):
            client.join(f"guest{number}", "host")
            client.send(type="bye")
        assert client.quiet()
    recent = get(operated, "/ops/calls.json")["recent"]
    assert len(recent) == 50
    assert recent[0]["users"] == ["guest54", "host"]


def test_the_state_has_the_figures_the_last_minutes_and_who_was_refused(operated: Server):
    with pytest.raises(Exception, match="403"):
        Client(operated, headers={"Origin": "https://elsewhere.example"})
    with Client(operated) as client:
        client.join("dora", "emil")
        state = get(operated, "/ops/state.json")
        assert (state["connections"], state["maxConnections"], state["calls"]["waiting"]) == (1, 10_000, 1)
        assert state["history"][-1][1:3] == [1, 1]
        assert state["refusals"][0]["words"] == "This origin is not allowed."
        assert state["refused"] == {"origin": 1}
        assert state["certificate"]["notAfter"] > state["now"]
        assert state["certificate"]["refused"] is False


def test_ids_can_be_hashed_and_are_found_all_the_same(certificate: Path):
    with Server(certificate, SIGNALING_OPS_TOKEN=TOKEN, SIGNALING_HASH_IDS="true") as server, Client(server) as client:
        client.join("alice@example.org", "bob@example.org")
        call = call_of(server, "alice@example.org")
        assert "example.org" not in json.dumps(call)
        assert call_of(server, call["users"][0]) == call
        assert "example.org" not in "\n".join(server.log)


def test_who_guesses_waits_and_the_operator_does_not(certificate: Path):
    """Ten wrong tokens in a row; a stranger behind the same proxy must not lock out whoever knows the right one."""
    with Server(certificate, SIGNALING_OPS_TOKEN=TOKEN, SIGNALING_METRICS_TOKEN=METRICS) as server:

        def status(path: str, authorization: str | None) -> int:
            return ask(server, path, {"Authorization": authorization} if authorization else {})[0].status

        tries = [status("/ops", basic(f"guess {number}")) for number in range(11)]
        assert tries == [401] * 10 + [429]
        assert [status("/metrics", f"Bearer guess{number}") for number in range(11)] == [401] * 10 + [429]
        for _ in range(3):
            assert [status(path, basic(TOKEN)) for path in PAGES] == [200] * 3
            assert status("/metrics", f"Bearer {METRICS}") == 200
            assert status("/ops", None) == 401, "so that a browser asks for the password"
            assert status("/ops", basic("guess")) == 429
        assert ask(server, "/healthz")[0].status == 200
        assert len([line for line in server.log if "A wrong token for /ops from " in line]) == 10
        assert "guess" not in "\n".join(server.log)
