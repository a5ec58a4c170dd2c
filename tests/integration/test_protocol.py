"""The protocol on the wire: through gunicorn and TLS, as a client sees it."""

from __future__ import annotations

import json

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from tests.driver import Client, Mute, Server, meet


@pytest.mark.parametrize("path", ["/", "/ws"])
def test_two_users_meet_and_talk(server: Server, path: str):
    with Client(server, path) as alice, Client(server, path) as bob:
        created, alone = alice.join("alice", "bob")
        assert created == {"type": "created", "room": "room_alice_bob"}
        assert (alone["type"], alone["room"], alone["userCount"]) == ("roomInfo", "room_alice_bob", 1)
        joined, both = bob.join("bob", "alice")
        assert joined == {"type": "joined", "room": "room_alice_bob"}
        assert [user["userId"] for user in both["users"]] == ["alice", "bob"]
        assert both["users"][0] == alone["users"][0]
        assert len({user["id"] for user in both["users"]}) == 2
        assert [alice.receive(), alice.receive()] == [{"type": "ready", "room": "room_alice_bob"}, both]
        offer = {"type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"}
        alice.send(type="message", data=offer)
        assert bob.receive() == {"type": "message", "data": offer, "from": "alice"}
        bob.send(type="candidate", candidate={"candidate": "", "sdpMid": "0"})
        assert alice.receive() == {
            "type": "message",
            "data": {"type": "candidate", "candidate": {"candidate": "", "sdpMid": "0"}},
            "from": "bob",
        }
        alice.send(type="bye")
        bye, left = bob.receive(), bob.receive()
        assert bye == {"type": "bye", "id": alone["users"][0]["id"], "userId": "alice", "reason": "left"}
        assert [user["userId"] for user in left["users"]] == ["bob"]
        alice.join("alice", "bob")
        assert [bob.receive()["type"], bob.receive()["type"]] == ["ready", "roomInfo"]


def test_order_is_kept_in_a_burst(server: Server):
    alice, bob = meet(server)
    with alice, bob:
        for number in range(150):
            alice.send(type="message" if number % 2 else "candidate", data=number, candidate=number)
        heard = [bob.receive()["data"] for _ in range(150)]
        assert [data if isinstance(data, int) else data["candidate"] for data in heard] == list(range(150))


def test_large_offers_and_the_limit(server: Server):
    alice, bob = meet(server)
    with alice, bob:
        envelope = len(json.dumps({"type": "message", "data": ""}))
        whole = "x" * (65_536 - envelope)
        alice.send(type="message", data=whole)
        assert bob.receive()["data"] == whole
        alice.send(type="message", data=whole + "x")
        assert alice.closed()[0] == 1009
        assert bob.receive()["reason"] == "lost"


def test_fragments_pings_and_binary(server: Server):
    alice, bob = meet(server)
    with alice, bob:
        alice.send_text(*[bytes([byte]) for byte in '{"type":"message","data":"é"}'.encode()])
        assert bob.receive()["data"] == "é"
        alice.send('{"type":"message","data":"é"}'.encode())
        assert bob.receive()["data"] == "é"
        assert alice.ping()


def test_no_compression_is_negotiated(server: Server):
    """Browsers always offer permessage-deflate."""
    with Client(server, extensions=[ClientPerMessageDeflateFactory()]) as client:
        assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
        assert client.response.headers.get("Sec-WebSocket-Extensions") is None


def test_a_subprotocol_that_is_offered_is_accepted(server: Server):
    with Client(server, subprotocols=["one", "two"]) as client:
        assert client.subprotocol == "one"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid-json"),
        (b"\xff", "invalid-json"),
        ("null", "invalid-message"),
        ('{"type":"join"}', "missing-parameters"),
        ('{"type":"join","userId":{"toString":1},"remoteId":"b"}', "invalid-message"),
        ('{"type":"dance"}', "unknown-type"),
        ('{"type":"message","data":1}', "not-in-room"),
    ],
)
def test_bad_input_is_answered_and_the_connection_stays(server: Server, text: str | bytes, code: str):
    with Client(server) as client:
        reply = client.ask(text)
        assert (reply["type"], reply["code"]) == ("error", code)
        assert client.quiet()


def test_alone_is_told_so(server: Server):
    with Client(server) as alice:
        alice.join("alice", "bob")
        assert alice.ask(type="candidate", candidate={})["code"] == "peer-absent"


def test_self_connection_is_closed_with_1008(server: Server):
    with Client(server) as client:
        assert client.ask(type="join", userId="a", remoteId="a") == {
            "type": "error",
            "message": "User cannot connect to themselves",
            "code": "self-connection",
        }
        assert client.closed()[0] == 1008


def test_a_newer_connection_replaces_the_older(server: Server):
    alice, bob = meet(server)
    with alice, bob, Client(server) as again:
        again.join("alice", "bob")
        assert alice.receive()["code"] == "replaced"
        assert alice.closed()[0] == 4001
        assert [bob.receive()["type"], bob.receive()["type"]] == ["ready", "roomInfo"]
        assert bob.quiet(), "no bye for the one replaced"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda client: client.close(1000), "left"),
        (lambda client: client.close(1001), "lost"),
        (lambda client: client.close(3000), "lost"),
        (Client.vanish, "lost"),
        (lambda client: client.send(type="join", userId="alice", remoteId="carol"), "left"),
    ],
)
def test_every_end_is_one_departure(server: Server, end, reason: str):
    alice, bob = meet(server)
    with alice, bob:
        end(alice)
        bye, info = bob.receive(), bob.receive()
        assert (bye["type"], bye["userId"], bye["reason"], info["userCount"]) == ("bye", "alice", reason, 1)
        assert bob.quiet()


def test_a_third_user_is_never_inside(server: Server):
    one, other = meet(server, "a_b", "c")
    with one, other, Client(server) as third:
        created, info = third.join("a", "b_c")
        assert (created["type"], info["userCount"]) == ("created", 1)
        one.send(type="message", data="secret")
        assert other.receive()["data"] == "secret"
        assert third.quiet()


def test_text_that_is_not_utf8_closes_with_1007_and_reaches_nobody(server: Server):
    with Client(server) as bob, Mute(server) as alice:
        bob.join("bob", "alice")
        alice.send(type="join", userId="alice", remoteId="bob")
        alice.send_text(b'{"type":"message","data":"\xff"}')
        assert [bob.receive()["type"] for _ in range(3)] == ["ready", "roomInfo", "bye"]
        assert alice.closed()[0] == 1007
