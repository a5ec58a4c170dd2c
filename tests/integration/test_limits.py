"""Floods and strangers, while a call on the same worker goes on as if nothing were."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.driver import Client, Mute, Server, meet
from tests.waiting import TIMEOUT


@pytest.fixture(scope="module")
def guarded(certificate) -> Iterator[Server]:
    limits = {
        "SIGNALING_MESSAGE_RATE": 5,
        "SIGNALING_MESSAGE_BURST": 60,
        "SIGNALING_JOIN_RATE": 2,
        "SIGNALING_CONNECTIONS_PER_IP": 20,
        "SIGNALING_CONNECTION_RATE": 200,
        "SIGNALING_CONNECTION_BURST": 200,
        "SIGNALING_TRUSTED_PROXIES": "127.0.0.0/8 ::1",
    }
    with Server(certificate, **limits) as running:
        yield running


@pytest.fixture
def call(guarded: Server) -> Iterator[tuple[Client, Client]]:
    """Two who talk, and whom nothing of this may touch."""
    alice, bob = meet(guarded)
    with alice, bob:
        yield alice, bob


def talk(call: tuple[Client, Client], word: str) -> None:
    alice, bob = call
    assert bob.ask(type="ping", id=word) == {"type": "pong", "id": word}
    alice.send(type="message", data=word)
    assert bob.receive() == {"type": "message", "data": word, "from": "alice"}


def behind(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def refused(server: Server, **headers: str) -> tuple[int, str]:
    """The status and the words of a refusal."""
    with pytest.raises(InvalidStatus) as error, Client(server, headers=headers):
        pass
    response = error.value.response
    return response.status_code, bytes(response.body or b"").decode()


def test_a_flood_of_messages_is_dropped_and_then_ended(guarded: Server, call):
    carol, dave = meet(guarded, "carol", "dave")
    with carol, dave:
        for number in range(1_000):
            carol.send(type="candidate", candidate=number)
        answers = []
        while (frame := carol._next()) is not None and frame.opcode.name == "TEXT":
            answers.append(bytes(frame.data))
        talk(call, "during")
        refusal = b'{"type":"error","message":"Too many: at most 5 messages a second","code":"rate-limited"}'
        assert set(answers) == {refusal}
        assert 60 <= len(answers) < 500
        assert carol.closed() == (1008, "Too many: at most 5 messages a second")
        # What passed came in order; then carol was gone.
        heard = []
        while (message := dave.receive())["type"] == "message":
            heard.append(message["data"]["candidate"])
        assert heard == sorted(heard)
        assert 55 <= len(heard) < 500
        assert (message["type"], message["reason"]) == ("bye", "lost")
    talk(call, "after")


def test_a_burst_of_candidates_passes(guarded: Server):
    carol, dave = meet(guarded, "carol", "dave")
    with carol, dave:
        for number in range(50):
            carol.send(type="candidate", candidate=number)
        assert [dave.receive()["data"]["candidate"] for _ in range(50)] == list(range(50))


def test_a_flood_of_nonsense_counts_as_well(guarded: Server, call):
    with Client(guarded) as carol:
        for _ in range(400):
            carol.send("{")
        answers = set()
        while (frame := carol._next()) is not None and frame.opcode.name == "TEXT":
            answers.add(bytes(frame.data))
        assert b'{"type":"error","message":"Invalid JSON","code":"invalid-json"}' in answers
        assert carol.closed()[0] == 1008
    talk(call, "after")


def test_a_flood_of_pings_is_ended(guarded: Server, call):
    """The pings of RFC 6455, which a browser cannot send."""
    with Mute(guarded) as carol:
        for _ in range(1_000):
            carol._protocol.send_ping(b"?")
        carol._flush()
        assert carol.closed()[0] == 1008
    talk(call, "after")


@pytest.mark.parametrize("payload", [b"", b"x" * 125], ids=["empty", "full"])
def test_a_flood_of_pongs_that_nobody_asked_for_is_ended(guarded: Server, call, payload: bytes):
    with Mute(guarded) as carol:
        for _ in range(1_000):
            carol._protocol.send_pong(payload)
        carol._flush()
        assert carol.closed() == (1008, "Too many: at most 5 messages a second")
    talk(call, "after")


@pytest.mark.parametrize("piece", [b"", b"  "], ids=["empty", "two bytes"])
def test_a_flood_of_fragments_that_never_end_is_ended(guarded: Server, call, piece: bytes):
    with Mute(guarded) as carol:
        carol._protocol.send_text(b"{", fin=False)
        for _ in range(1_000):
            carol._protocol.send_continuation(piece, fin=False)
        carol._flush()
        assert carol.closed()[0] == 1008
    talk(call, "after")


def test_a_message_in_pieces_counts_by_its_pieces(guarded: Server):
    carol, dave = meet(guarded, "carol", "dave")
    with carol, dave:
        carol.send_text(b'{"type":"message",', b'"data":', b'"whole"}')
        assert dave.receive()["data"] == "whole"
        carol.send_text(b'{"type":"message"', *[b" "] * 500, b"}")
        assert carol.closed()[0] == 1008


def test_a_flood_of_joins_is_refused_and_the_connection_stays(guarded: Server, call):
    with Client(guarded) as carol:
        for _ in range(2):
            carol.join("carol", "nobody")
        answer = carol.ask(type="join", userId="carol", remoteId="nobody")
        assert answer == {"type": "error", "message": "Too many: at most 2 joins a minute", "code": "rate-limited"}
        assert carol.ask(type="ping") == {"type": "pong"}
    talk(call, "after")


def test_an_address_has_its_share_of_connections_and_no_more(guarded: Server, call):
    mine = behind("192.0.2.1")
    several = [Client(guarded, headers=mine) for _ in range(20)]
    try:
        words = "Too many connections from one address: at most 20.\n"
        assert refused(guarded, **mine) == (429, words)
        guarded.wait_for_log(r"Refused a WebSocket from 192\.0\.2\.1: 429 Too many connections")
        with Client(guarded, headers=behind("192.0.2.2")):
            talk(call, "beside")
        several.pop().close()
        several.append(admitted(guarded, mine))
    finally:
        for client in several:
            client.vanish()


def admitted(server: Server, headers: dict[str, str]) -> Client:
    """A client that is let in as soon as the server knows that another is gone."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return Client(server, headers=headers)
        except InvalidStatus:
            assert time.monotonic() < deadline


def test_all_addresses_of_one_ipv6_network_are_one(guarded: Server):
    several = [Client(guarded, headers=behind(f"2001:db8:0:7::{number}")) for number in range(20)]
    try:
        assert refused(guarded, **behind("2001:db8:0:7:ffff::"))[0] == 429
        with Client(guarded, headers=behind("2001:db8:0:8::1")):
            pass
    finally:
        for client in several:
            client.vanish()


def test_a_flood_of_new_connections_is_refused_and_others_come_in(certificate):
    limits = {
        "SIGNALING_CONNECTION_RATE": 0.01,
        "SIGNALING_CONNECTION_BURST": 5,
        "SIGNALING_TRUSTED_PROXIES": "::1 127.0.0.1",
    }
    with Server(certificate, **limits) as server:
        alice, bob = meet(server)
        with alice, bob:
            for _ in range(5):
                Client(server, headers=behind("192.0.2.1")).close()
            words = "Too many new connections from one address: at most 0.01 new connections a second.\n"
            assert refused(server, **behind("192.0.2.1")) == (429, words)
            with Client(server, headers=behind("192.0.2.2")):
                talk((alice, bob), "beside")


def test_a_stranger_cannot_pretend_to_be_elsewhere(certificate):
    """Without a trusted proxy, `X-Forwarded-For` is what anybody can say."""
    with Server(certificate, SIGNALING_CONNECTIONS_PER_IP=1) as server, Client(server, headers=behind("192.0.2.1")):
        assert refused(server, **behind("192.0.2.2"))[0] == 429


def test_only_pages_of_allowed_origins_connect(certificate):
    allowed = {"SIGNALING_ALLOWED_ORIGINS": "https://app.example.org", "SIGNALING_ALLOW_MISSING_ORIGIN": "false"}
    with Server(certificate, **allowed) as server:
        for origin in ("https://app.example.org", server.url):
            with Client(server, origin=origin) as client:
                assert client.ask(type="ping") == {"type": "pong"}
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
            assert refused(server, **headers) == (403, "This origin is not allowed.\n")
