"""Stories of users who meet, talk, leave and come back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from signaling.config.settings import Settings
from signaling.rooms.ice import ice_servers
from signaling.rooms.memory import MemoryRegistry
from tests.unit.people import Person, Workers

ALICE_AND_BOB = "room_alice_bob"


@pytest.fixture
def person(registry: Workers) -> Callable[[], Person]:
    return lambda: Person(registry)


@pytest.fixture
def alice(person):
    return person().joins("alice", "bob")


@pytest.fixture
def bob(person, alice):
    return person().joins("bob", "alice")


@pytest.fixture
def call(alice, bob):
    """Alice, then bob, with nothing unheard."""
    alice.hears()
    bob.hears()
    return alice, bob


def info(*members: tuple[Person, str]):
    users = [{"id": member.session.id, "userId": user} for member, user in members]
    return {"type": "roomInfo", "room": ALICE_AND_BOB, "users": users, "userCount": len(users)}


def test_the_first_of_a_pair_creates_the_room(alice):
    assert alice.hears() == [{"type": "created", "room": ALICE_AND_BOB}, info((alice, "alice"))]


def test_the_second_joins_and_the_first_is_told_to_start(alice, person):
    alice.hears()
    bob = person().joins("bob", "alice")
    both = info((alice, "alice"), (bob, "bob"))
    assert bob.hears() == [{"type": "joined", "room": ALICE_AND_BOB}, both]
    assert alice.hears() == [{"type": "ready", "room": ALICE_AND_BOB}, both]


def test_a_message_reaches_the_peer_and_says_whose_it_is(call):
    alice, bob = call
    alice.says(type="message", data={"type": "offer", "sdp": "v=0\r\n"}, extra=1)
    assert bob.hears() == [{"type": "message", "data": {"type": "offer", "sdp": "v=0\r\n"}, "from": "alice"}]
    assert alice.hears() == []


@pytest.mark.parametrize("data", [None, False, 0, "", [], {}, 1.5, "ü\u2028😀", [[{"a": [None]}]]])
def test_any_json_is_data(call, data):
    alice, bob = call
    alice.says(type="message", data=data)
    assert bob.hears() == [{"type": "message", "data": data, "from": "alice"}]


def test_a_message_without_data_is_relayed_without_data(call):
    alice, bob = call
    alice.says(type="message")
    assert bob.hears() == [{"type": "message", "from": "alice"}]


def test_a_candidate_arrives_wrapped_as_a_message(call):
    alice, bob = call
    candidate = {"candidate": "candidate:1 1 UDP 2013266431 192.0.2.1 54400 typ host", "sdpMid": "0"}
    bob.says(type="candidate", candidate=candidate)
    assert alice.hears() == [{"type": "message", "data": {"type": "candidate", "candidate": candidate}, "from": "bob"}]


def test_a_candidate_without_a_value_is_relayed_without_one(call):
    alice, bob = call
    bob.says(type="candidate")
    assert alice.hears() == [{"type": "message", "data": {"type": "candidate"}, "from": "bob"}]


def test_the_peer_gets_the_senders_own_json_byte_for_byte(registry):
    class Verbatim(Person):
        def send_text(self, *payloads):
            self.last = payloads[-1]

    alice, bob = Verbatim(registry).joins("a", "b"), Verbatim(registry).joins("b", "a")
    alice.hears()
    alice.says('{ "data" : {"n":1.0e2, "big":12345678901234567890, "e":"\\u00e9\\/"} , "type":"message" }')
    bob.hears()
    assert bob.last == (
        b'{"type":"message","data":{"n":1.0e2, "big":12345678901234567890, "e":"\\u00e9\\/"},"from":"a"}'
    )


def test_bye_is_heard_once_and_the_socket_may_join_again(call, registry):
    alice, bob = call
    alice.says(type="bye")
    bye = {"type": "bye", "id": alice.session.id, "userId": "alice", "reason": "left"}
    assert bob.hears() == [bye, info((bob, "bob"))]
    alice.says(type="bye").drops()
    assert bob.hears() == []
    assert alice.hears() == []
    alice.joins("alice", "bob")
    assert alice.hears() == [{"type": "joined", "room": ALICE_AND_BOB}, info((bob, "bob"), (alice, "alice"))]
    assert bob.hears_types() == ["ready", "roomInfo"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, "left"), (1001, "lost"), (1005, "left"), (1006, "lost"), (1002, "lost"), (4008, "lost"), (1012, "lost")],
)
def test_the_reason_of_a_bye_tells_leaving_from_losing(call, code, reason):
    alice, bob = call
    alice.drops(code)
    assert bob.hears()[0] == {"type": "bye", "id": alice.session.id, "userId": "alice", "reason": reason}


def test_the_last_one_out_removes_the_room(call, registry):
    alice, bob = call
    alice.drops()
    assert registry.room_count == 1
    bob.says(type="bye")
    assert registry.room_count == 0


def test_the_newest_connection_of_a_user_wins(call, person):
    alice, bob = call
    again = person().joins("alice", "bob")
    assert alice.hears() == [
        {
            "type": "error",
            "message": "You have been disconnected due to a new connection from your account",
            "code": "replaced",
        }
    ]
    assert alice.close_code == 4001
    both = info((bob, "bob"), (again, "alice"))
    assert again.hears() == [{"type": "joined", "room": ALICE_AND_BOB}, both]
    assert bob.hears() == [{"type": "ready", "room": ALICE_AND_BOB}, both]
    alice.says(type="message", data=1).drops(4001)
    assert bob.hears() == [], "no bye for the one replaced, then or later"


def test_a_user_who_waits_alone_is_replaced_by_an_initiator(alice, person, registry):
    again = person().joins("alice", "bob")
    assert again.hears_types() == ["created", "roomInfo"]
    assert alice.close_code == 4001
    assert registry.room_count == 1


def test_joining_again_alone_creates_again(alice, registry):
    alice.hears()
    alice.joins("alice", "bob")
    assert alice.hears() == [{"type": "created", "room": ALICE_AND_BOB}, info((alice, "alice"))]
    assert alice.close_code is None
    assert registry.room_count == 1


def test_joining_again_with_the_peer_there_restarts_the_negotiation(call):
    alice, bob = call
    alice.joins("alice", "bob")
    both = info((bob, "bob"), (alice, "alice"))
    assert alice.hears() == [{"type": "joined", "room": ALICE_AND_BOB}, both]
    assert bob.hears() == [{"type": "ready", "room": ALICE_AND_BOB}, both]
    alice.says(type="message", data=1)
    assert bob.hears_types() == ["message"]


def test_joining_another_pair_leaves_the_first_room(call, registry, person):
    alice, bob = call
    alice.joins("alice", "carol")
    assert bob.hears() == [
        {"type": "bye", "id": alice.session.id, "userId": "alice", "reason": "left"},
        info((bob, "bob")),
    ]
    assert alice.hears()[0] == {"type": "created", "room": "room_alice_carol"}
    carol = person().joins("carol", "alice")
    bob.says(type="message", data=1)
    assert bob.hears()[0]["code"] == "peer-absent"
    assert carol.hears_types() == ["joined", "roomInfo"]
    assert registry.room_count == 2


def test_one_may_join_the_same_room_as_the_other_user(call):
    alice, bob = call
    alice.joins("bob", "alice")
    assert alice.hears_types() == ["created", "roomInfo"]
    assert bob.close_code == 4001


def test_nothing_is_relayed_or_kept_for_an_absent_peer(alice, person):
    alice.hears()
    for message in ({"type": "message", "data": 1}, {"type": "candidate", "candidate": 1}):
        alice.says(message)
        assert alice.hears() == [{"type": "error", "message": "Your peer is not connected", "code": "peer-absent"}]
    assert person().joins("bob", "alice").hears_types() == ["joined", "roomInfo"]


@pytest.mark.parametrize("message", [{"type": "message", "data": 1}, {"type": "candidate", "candidate": 1}])
def test_one_must_join_first(person, call, message):
    outside = {"type": "error", "message": "Join a room first", "code": "not-in-room"}
    assert person().says(message).hears() == [outside]
    alice, _bob = call
    assert alice.says(type="bye").says(message).hears() == [outside]


def test_rooms_of_one_name_are_kept_apart(person):
    """(a_b, c) and (a, b_c) show the same name, yet no third user is ever inside."""
    one, other = person().joins("a_b", "c"), person().joins("c", "a_b")
    third = person().joins("a", "b_c")
    assert third.hears() == [
        {"type": "created", "room": "room_a_b_c"},
        {
            "type": "roomInfo",
            "room": "room_a_b_c",
            "users": [{"id": third.session.id, "userId": "a"}],
            "userCount": 1,
        },
    ]
    assert {reply["room"] for reply in one.hears()} == {"room_a_b_c"}
    other.hears()
    one.says(type="message", data=1)
    assert other.hears_types() == ["message"]
    assert third.hears() == []


def test_an_integer_is_the_same_user_as_its_decimal_string(person):
    one, other = person().joins(7, "12"), person().joins("12", "7")
    assert other.hears()[0] == {"type": "joined", "room": "room_12_7"}
    assert [user["userId"] for user in one.hears()[-1]["users"]] == [7, "12"]
    one.says(type="message", data=1)
    assert other.hears()[-1]["from"] == 7
    other.says(type="message", data=1)
    assert one.hears()[-1]["from"] == "12"
    assert one.drops()
    assert other.hears()[0]["userId"] == 7


def test_room_names_sort_as_javascript_does(person):
    """By UTF-16 code unit: U+1F600 begins with D83D and so comes before U+FB01, and 10 before 9."""
    assert person().joins("\ufb01", "\U0001f600").hears()[0]["room"] == "room_\U0001f600_\ufb01"
    assert person().joins(9, 10).hears()[0]["room"] == "room_10_9"


def test_ping_is_answered_with_its_id_inside_a_room_or_not(person, alice):
    assert person().says(type="ping").hears() == [{"type": "pong"}]
    alice.hears()
    assert alice.says(type="ping", id={"any": ["json", 1.50]}).hears() == [
        {"type": "pong", "id": {"any": ["json", 1.5]}}
    ]


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ("", "invalid-json", "Invalid JSON"),
        ("{", "invalid-json", "Invalid JSON"),
        ("{}x", "invalid-json", "Invalid JSON"),
        ('{"type":"message","data":NaN}', "invalid-json", "Invalid JSON"),
        ('{"type":"message","data":"\\ud800"}', "invalid-json", "Invalid JSON"),
        (b'{"type":"message","data":"\xff"}', "invalid-json", "Invalid JSON"),
        ("null", "invalid-message", "Invalid message: Expected `object`, got `null`"),
        ("[]", "invalid-message", "Invalid message: Expected `object`, got `array`"),
        ("{}", "invalid-message", "Invalid message: Object missing required field `type`"),
        ('{"type":1}', "invalid-message", "Invalid message: Expected `str`, got `int` - at `$.type`"),
        ({"type": "Join"}, "unknown-type", "Unknown message type: Join"),
        ({"type": "x" * 1_000}, "unknown-type", "Unknown message type: " + "x" * 64 + "…"),
    ],
)
def test_bad_input_gets_an_error_and_costs_nothing_else(call, message, code, words):
    alice, bob = call
    alice.says(message)
    assert alice.hears() == [{"type": "error", "message": words, "code": code}]
    assert alice.close_code is None
    assert bob.hears() == []
    alice.says(type="message", data=1)
    assert bob.hears_types() == ["message"]


def nested(levels: int, opening: str = "[", core: str = "", closing: str = "]") -> str:
    return opening * levels + core + closing * levels


def under(frames: int, call: Callable[[], Any]) -> Any:
    """Call it with so many more frames on Python's stack."""
    return call() if frames == 0 else under(frames - 1, call)


class Reader(Person):
    """Whose replies may be nested deeper than Python can read."""

    def __init__(self, registry: MemoryRegistry) -> None:
        super().__init__(registry)
        self.read: list[str] = []

    def send_text(self, *payloads: bytes) -> None:
        self.read += [payload.decode() for payload in payloads]


class Unparsed(Person):
    """It keeps what was sent to it as bytes: the stack may have no room to parse them."""

    def __init__(self, registry: MemoryRegistry) -> None:
        super().__init__(registry)
        self.payloads: list[bytes] = []

    def send_text(self, *payloads: bytes) -> None:
        self.payloads += payloads


FIELDS = ["data", "candidate", "id", "token", "apiKey", "userId", "remoteId", "iceServers", "unknown"]
TYPES = ["message", "candidate", "join", "bye", "ping", "nonsense", 7]
NESTS = [("[", "", "]"), ('{"a":', "0", "}"), (r'[ "\"[{\\" , ', "0", " ] ")]
SHALLOW = 500  # what always finds room on the stack
DEPTHS = [1, 100, SHALLOW, 700, 950, 970, 976, 980, 985, 1_000, 5_000, 20_000]


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("field", FIELDS)
def test_deep_json_is_forwarded_as_it_is_or_invalid_wherever_it_is_and_however_deep_the_stack(
    field: str, type_: str | int
):
    registry = MemoryRegistry()
    bob = Reader(registry)
    bob.joins("bob", "alice")
    for depth, nest, frames in itertools.product(DEPTHS, NESTS, (0, 400)):
        alice = Unparsed(registry)
        alice.joins("alice", "bob")
        alice.payloads.clear()
        bob.read.clear()
        fields = {"type": json.dumps(type_), "userId": '"alice"', "remoteId": '"bob"', field: nested(depth, *nest)}
        text = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
        under(frames, partial(alice.says, text))
        if any(b'"code":"invalid-json"' in payload for payload in alice.payloads):
            assert depth > SHALLOW
            assert len(alice.payloads) == 1
            assert bob.read == []
        elif type_ in ("message", "candidate"):
            [heard] = bob.read
            assert field != {"message": "data", "candidate": "candidate"}[type_] or fields[field].strip() in heard
        assert alice.close_code is None
        alice.drops(1000)


def test_brackets_that_nest_nothing_are_no_levels(call):
    alice, bob = call
    for value in (
        "[" + "[]," * 2_000 + "0]",
        json.dumps("[" * 5_000),
        json.dumps(['"[{' * 3_000, "\\" * 999, "[[" * 999]),
    ):
        alice.says(f'{{"type":"message","data":{value}}}')
        assert bob.hears() == [{"type": "message", "data": json.loads(value), "from": "alice"}]


@pytest.mark.parametrize("depth", [1, 499, 500, 970, 976, 985, 5_000])
def test_deep_json_behind_a_type_that_is_wrong_is_looked_at_as_well(call, depth):
    alice, bob = call
    alice.says(f'{{"type":1,"data":{nested(depth)}}}')
    [code] = [reply["code"] for reply in alice.hears()]
    assert code == "invalid-message" or (depth > SHALLOW and code == "invalid-json")
    assert bob.hears() == []


MISSING = "Missing required parameters: userId and remoteId are required"
WRONG = "Invalid message: {} must be a string of 1 to 128 characters, or an integer"


@pytest.mark.parametrize(
    ("user", "remote", "code", "words"),
    [
        (None, "bob", "missing-parameters", MISSING),
        ("alice", "", "missing-parameters", MISSING),
        ({"toString": 1}, "bob", "invalid-message", WRONG.format("userId")),
        (True, "bob", "invalid-message", WRONG.format("userId")),
        (1.5, "bob", "invalid-message", WRONG.format("userId")),
        ("alice", "b" * 129, "invalid-message", WRONG.format("remoteId")),
        ("alice", 10**128, "invalid-message", WRONG.format("remoteId")),
    ],
)
def test_a_join_with_wrong_ids_changes_nothing(call, user, remote, code, words):
    alice, bob = call
    assert alice.joins(user, remote).hears() == [{"type": "error", "message": words, "code": code}]
    assert alice.close_code is None
    alice.says(type="message", data=1)
    assert bob.hears_types() == ["message"]


@pytest.mark.parametrize("value", [1, 0, "", "true", [], {}])
def test_a_join_that_asks_for_ice_servers_with_no_boolean_changes_nothing(call, value):
    alice, bob = call
    words = "Invalid message: iceServers must be true or false"
    alice.joins("alice", "carol", iceServers=value)
    assert alice.hears() == [{"type": "error", "message": words, "code": "invalid-message"}]
    alice.says(type="message", data=1)
    assert bob.hears_types() == ["message"]


def test_a_join_without_ids_is_missing_parameters(person):
    assert person().says(type="join").hears() == [{"type": "error", "message": MISSING, "code": "missing-parameters"}]


def test_ids_of_128_characters_are_fine(person):
    assert person().joins("ü" * 128, 10**127).hears_types() == ["created", "roomInfo"]


@pytest.mark.parametrize(("user", "remote"), [("alice", "alice"), (12, "12")])
def test_nobody_calls_oneself(person, user, remote):
    me = person().joins(user, remote)
    assert me.hears() == [{"type": "error", "message": "User cannot connect to themselves", "code": "self-connection"}]
    assert me.close_code == 1008


def test_binary_json_is_accepted(call):
    alice, bob = call
    alice.says(b'{"type":"message","data":"\xc3\xa9"}')
    assert bob.hears() == [{"type": "message", "data": "é", "from": "alice"}]


RELAYED = Settings(stun_urls=("stun:a",), turn_urls=("turn:a", "turns:a"), turn_secret="north", turn_ttl=600)


def test_whoever_asks_gets_ice_servers_with_the_reply_and_nobody_else_does(registry):
    alice, bob = Person(registry, RELAYED), Person(registry, RELAYED)
    [created, alone] = alice.joins("alice", "bob", iceServers=True).hears()
    [stun, turn] = created.pop("iceServers")
    assert created == {"type": "created", "room": ALICE_AND_BOB}
    assert "iceServers" not in alone
    assert stun == {"urls": ["stun:a"]}
    expiry, _, user = turn["username"].partition(":")
    assert user == alice.session.id, "not who she is, which nobody has proved"
    [expected] = ice_servers(RELAYED, user, int(expiry) - 600)[1:]
    assert turn == {**expected, "urls": ["turn:a", "turns:a"]}
    [joined, _] = bob.joins("bob", "alice", iceServers=True).hears()
    assert joined["iceServers"][1]["username"].endswith(f":{bob.session.id}")
    for reply in alice.hears():
        assert "iceServers" not in reply
    for refusal in (False, None):
        [again, _] = bob.joins("bob", "alice", iceServers=refusal).hears()
        assert again == {"type": "joined", "room": ALICE_AND_BOB}


def test_whoever_asks_where_there_are_none_gets_an_empty_list(person):
    assert person().joins("alice", "bob", iceServers=True).hears()[0]["iceServers"] == []


def test_in_other_messages_ice_servers_are_an_unknown_field(call):
    alice, bob = call
    alice.says(type="message", data=1, iceServers="?")
    assert bob.hears_types() == ["message"]


def test_no_credential_is_in_the_log(registry, caplog):
    caplog.set_level("DEBUG")
    [created, _] = Person(registry, RELAYED).joins("alice", "bob", iceServers=True).hears()
    assert created["iceServers"][1]["credential"] not in caplog.text
    assert "north" not in caplog.text


def test_the_log_tells_the_story_without_what_was_said(registry, caplog):
    caplog.set_level("DEBUG")
    alice, bob = Person(registry).joins("alice", "bob"), Person(registry).joins("bob", "alice")
    registry.settle()
    alice.says(type="message", data="v=0 SECRET").says(type="candidate", candidate="192.0.2.1").drops()
    registry.settle()
    bob.says("nonsense SECRET").drops()
    registry.settle()
    assert [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "INFO" and record.name == "signaling.rooms.session"
    ] == [
        "User alice is joining room room_alice_bob to connect with bob",
        "Created new room: room_alice_bob",
        "User alice is initiator for room room_alice_bob",
        "User bob is joining room room_alice_bob to connect with alice",
        "User bob joined room room_alice_bob",
        "User alice left room room_alice_bob (lost)",
        "User bob left room room_alice_bob (lost)",
        "Removed empty room: room_alice_bob",
    ]
    assert "SECRET" not in caplog.text
    assert "192.0.2.1" not in caplog.text
