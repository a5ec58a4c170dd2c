"""The rules themselves: what each calls a violation, and what it excuses."""

from __future__ import annotations

import pytest

from tests.chaos.connection import Connection
from tests.chaos.faults import FAULTS
from tests.chaos.record import Clock, PairRecord, Word
from tests.chaos.rules import false_byes, lost_words, replaced_by_nobody
from tests.chaos.run import Round


class HandClock(Clock):
    """A clock that is one second later whenever somebody looks."""

    def now(self) -> float:
        self.seconds = getattr(self, "seconds", 0.0) + 1
        return self.seconds


@pytest.fixture
def record() -> PairRecord:
    return PairRecord("pair", HandClock(), [])


@pytest.fixture
def alice(record: PairRecord) -> Connection:
    return come(record, "alice", "bob")


@pytest.fixture
def bob(record: PairRecord, alice: Connection) -> Connection:
    connection = come(record, "bob", "alice", alice)
    connection._take({"type": "joined"})
    connection._take(room(alice, connection))
    alice._take({"type": "ready"})
    alice._take(room(alice, connection))
    return connection


def come(record: PairRecord, name: str, remote: str, *there: Connection) -> Connection:
    """Return a connection that joined."""
    connection = Connection(record, 0, name, remote)
    connection._round = Round()
    connection.id = f"id of {connection.label}"
    connection.join_sent = connection.first_join = record.clock.now()
    if not there:
        connection._take({"type": "created"})
        connection._take(room(connection))
    return connection


def room(*connections: Connection) -> dict[str, object]:
    users = [{"id": connection.id, "userId": connection.name} for connection in connections]
    return {"type": "roomInfo", "users": users, "userCount": len(users)}


def say(connection: Connection) -> Word:
    at = connection._record.clock.now()
    word = Word(connection.label, len(connection.words), at, connection.join_sent, at, connection.peer)
    connection.words.append(word)
    return word


def hear(connection: Connection, word: Word, from_: str) -> None:
    connection._take({"type": "message", "from": from_, "data": {"speaker": word.connection, "number": word.number}})


def bye(connection: Connection) -> dict[str, object]:
    return {"type": "bye", "id": connection.id, "userId": connection.name, "reason": "left"}


def rules(record: PairRecord) -> list[str]:
    return [violation.rule for violation in record.violations]


def test_a_message_that_was_heard_is_not_lost(record: PairRecord, alice: Connection, bob: Connection):
    hear(bob, say(alice), "alice")
    assert lost_words(record.connections) == rules(record) == []


def test_a_message_that_nobody_heard_is_lost(record: PairRecord, alice: Connection, bob: Connection):
    word = say(alice)
    assert lost_words(record.connections) == [word]


def test_an_error_excuses_one_message_before_it(record: PairRecord, alice: Connection, bob: Connection):
    alice._round.faults = [fault for fault in FAULTS if fault.kind == "redis"]
    first, _ = say(alice), say(alice)
    alice._take({"type": "error", "code": "unavailable"})
    last = say(alice)
    assert lost_words(record.connections) == [first, last]
    assert rules(record) == []


@pytest.mark.parametrize("restarted", ["alice", "bob"])
def test_a_ready_at_either_end_excuses_what_was_said_before(
    record: PairRecord, alice: Connection, bob: Connection, restarted: str
):
    say(alice)
    {"alice": alice, "bob": bob}[restarted]._take({"type": "ready"})
    last = say(alice)
    assert lost_words(record.connections) == [last]


def test_a_departure_excuses_what_was_said_to_who_left(record: PairRecord, alice: Connection, bob: Connection):
    say(alice)
    bob.drop()
    assert lost_words(record.connections) == []


def test_unavailable_needs_something_that_is_broken(record: PairRecord, alice: Connection):
    alice._take({"type": "error", "code": "unavailable"})
    assert rules(record) == ["error"]


def test_order(record: PairRecord, alice: Connection, bob: Connection):
    first, second = say(alice), say(alice)
    hear(bob, second, "alice")
    hear(bob, first, "alice")
    hear(bob, first, "alice")
    assert rules(record) == ["order", "order"]


def test_sender(record: PairRecord, alice: Connection, bob: Connection):
    word = say(alice)
    hear(bob, word, "bob")
    hear(alice, word, "alice")
    hear(bob, Word("of another pair", 0, 1, 1, 1, None), "alice")
    assert rules(record) == ["sender"] * 3


def test_one_bye_for_a_departure(record: PairRecord, alice: Connection, bob: Connection):
    alice._take(bye(bob))
    alice._take(room(alice))
    assert rules(record) == []
    alice._take(bye(bob))
    assert rules(record) == ["bye"]


def test_a_bye_for_who_stayed_is_false(record: PairRecord, alice: Connection, bob: Connection):
    alice._take(bye(bob))
    assert false_byes(record.connections) == [f"{alice.label} was told bye of {bob.label}, which stayed"]
    bob.drop()
    assert false_byes(record.connections) == []


def test_created_is_told_to_who_is_alone(record: PairRecord, alice: Connection, bob: Connection):
    bob._take({"type": "created"})
    bob._take(room(alice, bob))
    assert rules(record) == ["room"]


def test_of_two_connections_of_a_user_one_stays(record: PairRecord, alice: Connection):
    replaced = {"type": "error", "code": "replaced"}
    newer = come(record, "alice", "bob")
    alice._take(replaced)
    newest = come(record, "alice", "bob")
    newer._take(replaced)
    assert replaced_by_nobody(record.connections) == []
    newest._take(replaced)
    come(record, "alice", "bob")
    assert replaced_by_nobody(record.connections) == [newest]


def test_a_connection_that_nobody_ended(record: PairRecord, alice: Connection):
    alice._over(1006)
    assert rules(record) == ["end"]
