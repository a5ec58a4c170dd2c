"""Whatever a client sends, it gets the answer of the protocol, and its peer gets sound JSON of the same value.

The judge is Python's `json`, made strict. Where it is at odds with the server, the server is right: RFC 8259 knows
neither `NaN` nor `Infinity`. An escape of a lone surrogate is within its grammar, and "unpredictable" (section 8.2):
it stands for no Unicode text, so this server refuses it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given

from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.registry import Registry
from tests.unit.near_json import ANYTHING
from tests.unit.people import Person

Heard = list[str]


def strict(text: str | bytes) -> Any:
    """Return the value of `text`, numbers as they are written and objects with all their fields; or a ValueError."""
    value = json.loads(
        text.decode() if isinstance(text, bytes) else text,
        parse_int=lambda digits: ("number", digits),
        parse_float=lambda digits: ("number", digits),
        parse_constant=no_json,
        object_pairs_hook=lambda fields: ("object", *fields),
    )
    # What has a lone surrogate in it has no UTF-8, and that is a ValueError too.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def no_json(constant: str) -> None:
    raise ValueError(constant)


def values(value: Any, name: str) -> list[Any]:
    """Return the values of all the fields of this name; the last one is the one that counts."""
    return [item for key, item in value[1:] if key == name]


class Witness(Person):
    """A person who reads strictly."""

    def send_text(self, *payloads: bytes) -> None:
        self.inbox += map(strict, payloads)

    def hears_kinds(self) -> Heard:
        """Take what was sent so far: the code of an error, the type of anything else."""
        return [(values(reply, "code") or values(reply, "type"))[0] for reply in self.hears()]


# What the protocol says of a message that alice sends while she and bob are in a room.


def expected(text: str | bytes) -> tuple[Heard, Heard]:
    """Return what alice hears of it, and what bob does."""
    try:
        value = strict(text)
    except ValueError:
        return ["invalid-json"], []
    types = values(value, "type") if isinstance(value, tuple) and value[0] == "object" else []
    if not types or not all(isinstance(type_, str) for type_ in types):
        return ["invalid-message"], []
    match types[-1]:
        case "message" | "candidate":
            return [], ["message"]
        case "bye":
            return [], ["bye", "roomInfo"]
        case "ping":
            return ["pong"], []
        case "join":
            users = [user(values(value, name)[-1:]) for name in ("userId", "remoteId")]
            return joining(*users, values(value, "iceServers")[-1:])
    return ["unknown-type"], []


def user(given_: list[Any]) -> str | None:
    """Return what tells this user from others, the empty string for none, and None for what is no id."""
    match given_:
        case [] | [None]:
            return ""
        case [str(text)]:
            return text if len(text) <= 128 else None
        case [("number", digits)] if re.fullmatch(r"-?\d{1,128}", digits) and len(digits) <= 128:
            return str(int(digits))
    return None


def joining(user: str | None, remote: str | None, asked: list[Any]) -> tuple[Heard, Heard]:
    if user is None or remote is None:
        return ["invalid-message"], []
    if not user or not remote:
        return ["missing-parameters"], []
    if user == remote:
        return ["self-connection"], []
    if asked and asked[0] not in (True, False, None):
        return ["invalid-message"], []
    if (user, remote) == ("alice", "bob"):
        return ["joined", "roomInfo"], ["ready", "roomInfo"]
    takes_bobs_place = (user, remote) == ("bob", "alice")
    return ["created", "roomInfo"], ["bye", "roomInfo"] + ["replaced"] * takes_bobs_place


def passed_on(value: Any) -> Any:
    """Return what bob gets of the `message` or `candidate` that `value` is."""
    if values(value, "type")[-1] == "message":
        data = [("data", item) for item in values(value, "data")[-1:]]
    else:
        candidate = [("candidate", item) for item in values(value, "candidate")[-1:]]
        data = [("data", ("object", ("type", "candidate"), *candidate))]
    return ("object", ("type", "message"), *data, ("from", "alice"))


def room() -> tuple[Registry, Witness, Witness]:
    """Return alice and bob in a room, with nothing unheard."""
    registry = MemoryRegistry()
    alice, bob = Witness(registry).joins("alice", "bob"), Witness(registry).joins("bob", "alice")
    alice.hears()
    bob.hears()
    return registry, alice, bob


@given(text=ANYTHING)
@example('{"type":"message","data":NaN}')
@example(r'{"type":"message","data":{"\ud800":1,"a":"\ud83d\ude00"}}')
@example('{"type":"bye"}\0')
@example('{"type":1,"type":"bye"}')
@example('{"type":1,"data":01}')
@example('{"type":"join","userId":"bob","remoteId":"alice"}')
def test_every_text_has_the_answer_of_the_protocol(text: str | bytes):
    registry, alice, bob = room()
    alice.says(text)
    answers, passed = expected(text)
    if passed == ["message"]:
        assert bob.inbox == [passed_on(strict(text))]
    if answers == ["pong"]:
        id_ = [("id", item) for item in values(strict(text), "id")[-1:]]
        assert alice.inbox == [("object", ("type", "pong"), *id_)]
    assert (alice.hears_kinds(), bob.hears_kinds()) == (answers, passed)
    assert alice.close_code == (1008 if answers == ["self-connection"] else None)
    assert bob.close_code == (4001 if "replaced" in passed else None)
    still_works(registry, alice)


@pytest.mark.parametrize("piece", ["[", '{"a":', "[" * 50 + '{"":', "[]", '"', "\\", "\0", "1", "-", '{"type":"bye"}'])
@pytest.mark.parametrize("envelope", ['{"type":"message","data":%s}', '{"type":"join","userId":%s}', "%s"])
def test_what_goes_on_and_on_is_answered_as_well(piece: str, envelope: str):
    registry, alice, bob = room()
    alice.says(envelope % (piece * (65_000 // len(piece))))
    kinds = alice.hears_kinds(), bob.hears_kinds()
    assert kinds in [(["invalid-json"], []), (["invalid-message"], []), ([], ["message"])]
    still_works(registry, alice)


def still_works(registry: Registry, alice: Witness) -> None:
    """Whatever it was, alice can join and talk."""
    bob = Witness(registry).joins("bob", "alice")
    alice.joins("alice", "bob").says(type="message", data="still here")
    assert bob.hears()[-1] == ("object", ("type", "message"), ("data", "still here"), ("from", "alice"))
    assert (alice.session.peer, bob.session.peer) == (bob.session, alice.session)
    assert registry.room_count == 1
