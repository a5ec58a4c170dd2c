"""What the app takes from the webhook of the service, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signaling.beside import inbox
from signaling.beside.inbox import NotSignedError, Received
from signaling.protocol.messages import Pair
from signaling.rooms.events import Call, Event, EventType
from signaling.rooms.signature import signed
from signaling.rooms.webhook import body_of

KEY = b"a key of thirty-two bytes or more"
NOW = 1_000_000.0
BODY = b"{}"


def event(kind: EventType, **more: Any) -> Event:
    json = b'"alice"', b"7"
    return Event(type=kind, call_id="c1", sequence=1, at=NOW, pair=Pair("alice", "7"), json=json, **more)


def test_a_message_of_the_service_has_its_id():
    headers = signed([KEY], "msg_1", int(NOW), BODY)
    assert inbox.check([KEY], headers, BODY, NOW) == "msg_1"
    # A service may change its secret, and sign with both for a while.
    headers["webhook-signature"] = f"v1,AAAA {headers['webhook-signature']} v1a,xyz"
    assert inbox.check([KEY], headers, BODY, NOW + 300) == "msg_1"
    assert inbox.check([b"the other key", KEY], headers, BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,ü"},
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1000001"},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_message_with_a_change_is_refused(change: dict[str, str]):
    with pytest.raises(NotSignedError, match="signature"):
        inbox.check([KEY], signed([KEY], "msg_1", int(NOW), BODY) | change, BODY, NOW)


@pytest.mark.parametrize("late", [-301, 301])
def test_a_message_that_is_too_old_or_of_the_future_is_refused(late: float):
    with pytest.raises(NotSignedError, match="clocks"):
        inbox.check([KEY], signed([KEY], "msg_1", int(NOW), BODY), BODY, NOW + late)


def test_the_message_of_a_call_is_the_call_as_the_service_knows_it():
    call = Call(
        id="c1",
        users=("7", "alice"),
        started_at=NOW,
        connected_at=NOW + 1.5,
        ended_at=NOW + 60.25,
        reason="left",
        path="relay",
        outcome="fine",
    )
    assert inbox.parse(body_of(event(EventType.CALL_ENDED, call=call))) == (
        EventType.CALL_ENDED,
        # The service writes the users as their clients do, in the order of their room.
        {"call": Call(**{name: getattr(call, name) for name in call.__struct_fields__} | {"users": ("alice", "7")})},
    )


def test_the_message_of_a_wait_has_both_users_as_text():
    waiting = event(EventType.WAITING, user="7")
    assert inbox.parse(body_of(waiting)) == (EventType.WAITING, {"user": "7", "peer": "alice"})
    ended = event(EventType.WAITING_ENDED, user="7", outcome="met")
    assert inbox.parse(body_of(ended)) == (EventType.WAITING_ENDED, {"user": "7", "peer": "alice", "outcome": "met"})


def test_a_type_of_a_later_version_is_ignored():
    assert inbox.parse(json.dumps({"type": "call.renamed", "data": []}).encode()) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"type":"call.ended","data":{}}', b'{"type":"user.waiting","data":[]}', b"[" * 9_999]
)
def test_what_is_no_message_of_the_service_is_an_error(body: bytes):
    with pytest.raises(ValueError, match="no message of the service"):
        inbox.parse(body)


def test_a_message_is_taken_once_but_again_after_a_failure():
    received = Received()
    with received.take("a") as first:
        assert first.is_new is True
        # Another thread has it now.
        with received.take("a") as second:
            assert second.is_new is None
    with received.take("a") as again:
        assert again.is_new is True
        again.done = True
    with received.take("a") as late:
        assert late.is_new is False
    with pytest.raises(RuntimeError), received.take("b"):
        raise RuntimeError
    assert received.take("b").is_new is True


def test_the_memory_for_messages_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inbox, "MAX_REMEMBERED", 3)
    received = Received()
    for name in "abcd":
        with received.take(name) as taking:
            taking.done = True
    assert [received.begin(name) for name in "abcd"] == [True, False, False, False]
