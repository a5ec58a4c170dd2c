"""Each call starts once and ends once, each wait begins once and ends once, whatever users do and in which rooms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from signaling.config.settings import Settings
from signaling.protocol.errors import MessageError
from signaling.protocol.messages import Pair
from signaling.rooms.events import Event, EventType
from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis
from tests.unit.people import Person, Workers, until

FOREVER = 3_600.0

Told = tuple[str, str, str]


class App:
    """An app that keeps the events of all its workers."""

    def __init__(self, *registries: MemoryRegistry | RedisRegistry) -> None:
        self.events: list[Event] = []
        self.registries = registries
        self.workers = Workers(*registries)
        for registry in registries:
            registry.directory.on_event = self.events.append

    def take(self) -> list[Event]:
        self.workers.settle()
        taken = self.events[:]
        del self.events[: len(taken)]
        return taken

    def words(self) -> list[Told]:
        return [words(event) for event in self.take()]


def words(event: Event) -> Told:
    if event.call is None:
        return event.type.partition(".")[2], event.user, event.outcome
    return event.type.partition(".")[2], "", event.call.reason or ""


def in_memory(grace: float, _: Redis) -> App:
    return App(MemoryRegistry(grace))


def in_redis(workers: int) -> Callable[[float, Redis], App]:
    def make(grace: float, redis: Redis) -> App:
        redis.ask("FLUSHALL")
        given = Settings(redis_url=redis.url, call_grace=grace, node_timeout=FOREVER)
        return App(*(RedisRegistry(given) for _ in range(workers)))

    return make


KINDS = {"memory": in_memory, "one worker": in_redis(1), "two workers": in_redis(2)}


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, redis: Redis) -> Iterator[Callable[[float], App]]:
    made = []

    def make_one(grace: float = FOREVER) -> App:
        made.append(KINDS[request.param](grace, redis))
        return made[-1]

    yield make_one
    for told in made:
        told.workers.stop()


def test_a_call_is_a_wait_then_both_then_an_end(make):
    told = make()
    alice = Person(told.workers).joins("alice", 7)
    assert told.words() == [("waiting", "alice", "")]
    bob = Person(told.workers).joins(7, "alice")
    met, started = told.take()
    assert (words(met), words(started)) == (("waiting_ended", "alice", "met"), ("started", "", ""))
    assert started.call.users == ("7", "alice")
    assert started.json == (b"7", b'"alice"'), "ids are as the clients wrote them"
    alice.says(type="bye")
    assert told.words() == [], "the other one is still there"
    bob.drops(1000)
    [ended] = told.take()
    assert words(ended) == ("ended", "", "left")
    assert ended.call.id == started.call.id == met.call_id
    assert [met.sequence, started.sequence, ended.sequence] == [2, 3, 4]
    assert ended.call.duration == pytest.approx(ended.call.ended_at - started.call.started_at)
    assert ended.call.duration >= 0


def test_a_reload_of_one_or_of_both_continues_the_call(make):
    told = make()
    alice, bob = Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    [_, _, started] = told.take()
    for _ in range(3):
        alice.drops(1001)
        alice = Person(told.workers).joins("alice", "bob")
    alice.drops(1001)
    bob.drops(1006)
    alice, bob = Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    Person(told.workers).joins("bob", "alice")
    assert told.words() == []
    assert [call.id for call in told.registries[0].directory.calls()] == [started.call.id]


def test_without_a_grace_each_departure_ends_the_call(make):
    told = make(0.0)
    alice = Person(told.workers).joins("alice", "bob")
    for reason, code in (("lost", 1001), ("left", 1000)):
        bob = Person(told.workers).joins("bob", "alice")
        assert ("started", "", "") in told.words()
        bob.drops(code)
        assert told.words() == [("ended", "", reason)]
    alice.drops()
    assert told.words() == [], "a user who stayed behind after a call is not announced as waiting"


def test_a_user_who_stays_behind_waits_without_an_announcement(make):
    told = make(0.0)
    alice, bob = Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    bob.drops(1000)
    assert [words(event) for event in told.take()][-1:] == [("ended", "", "left")]
    directory = told.registries[0].directory
    assert [(wait.user, wait.peer) for wait in directory.waits()] == [("alice", "bob")]
    # A reload of the page is a new wait, and so is bob's.
    alice.drops(1001)
    assert (told.words(), directory.waits()) == ([], [])
    bob = Person(told.workers).joins("bob", "alice")
    assert told.words() == [("waiting", "bob", "")]
    alice = Person(told.workers).joins("alice", "bob")
    bob.drops(1000)
    told.take()
    Person(told.workers).joins("bob", "alice")
    assert told.words() == [("started", "", "")]


def test_a_user_who_comes_back_alone_waits_once_the_grace_is_over(redis: Redis):
    redis.ask("FLUSHALL")
    short = Settings(redis_url=redis.url, call_grace=0.3, node_timeout=1.0)
    for told in (App(MemoryRegistry(0.3)), App(*(RedisRegistry(short) for _ in range(2)))):
        alice, bob = Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
        alice.drops()
        bob.drops()
        # The workers tell Redis over connections of their own.
        told.workers.settle()
        Person(told.workers).joins("alice", "bob")

        def over(told: App = told) -> bool:
            for registry in told.registries:
                if isinstance(registry, MemoryRegistry):
                    registry.expire()
            return any(event.type == EventType.CALL_ENDED for event in told.events)

        until(over)
        assert told.words()[-2:] == [("ended", "", "lost"), ("waiting", "alice", "")]
        told.workers.stop()


def test_the_lists_have_the_calls_and_the_waits_of_all_workers(make):
    told = make()
    Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    Person(told.workers).joins("carol", "dan")
    for registry in told.registries:
        [call] = registry.directory.calls()
        [wait] = registry.directory.waits()
        assert (call.users, wait.user, wait.peer) == (("alice", "bob"), "carol", "dan")
        assert not registry.directory.calls().partial


def test_an_ended_call_ends_once_and_a_later_one_is_another(make):
    told = make()
    alice, bob = Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    [*_, started] = told.take()
    directory = told.registries[-1].directory
    assert directory.end_call("unknown") is None
    assert directory.end_call(started.call.id) == Pair("alice", "bob")
    assert directory.end_call(started.call.id) is None
    assert told.words() == [("ended", "", "ended")]
    alice.drops()
    bob.drops()
    assert told.words() == []
    Person(told.workers).joins("alice", "bob"), Person(told.workers).joins("bob", "alice")
    assert [call.id for call in directory.calls()] != [started.call.id]


def test_a_barred_user_joins_nowhere_until_the_bar_ends(make):
    told = make()
    told.registries[0].directory.bar("alice", FOREVER)
    told.registries[0].directory.bar("carol", 0.001)
    for _ in told.registries:
        [error] = Person(told.workers).joins("alice", "bob").hears()
        assert (error["code"], error["message"]) == ("unauthorized", "Unauthorized: you may not join at the moment")
        assert Person(told.workers).joins("bob", "alice").hears_types() == ["created", "roomInfo"]
    until(lambda: Person(told.workers).joins("carol", "dan").hears_types()[0] != "error")


def test_a_bar_of_a_full_table_ends_the_earliest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("signaling.rooms.memory.MAX_BARS", 2)
    rooms = MemoryRegistry()
    for user, seconds in (("a", 3_600), ("b", 1_800), ("c", 3_600), ("a", 3_600)):
        rooms.bar(user, seconds)
    barred = []
    for user in "abc":
        person = Person(Workers(rooms))
        person.joins(user, "x")
        barred += [user] if person.close_code == 4003 else []
    assert barred == ["a", "c"]


def test_a_refused_join_changes_no_room():
    rooms = MemoryRegistry()
    rooms.bar("alice", FOREVER)
    session = Person(Workers(rooms)).session
    with pytest.raises(MessageError):
        rooms.join(Pair("", "b"), _Member(session), None, lambda _: None)  # type: ignore[arg-type]
    assert rooms.room_count == 0


class _Member:
    def __init__(self, session) -> None:
        self.id = session.id
        self.user = type("User", (), {"key": "alice"})()


ANSWER = {"type": "answer", "sdp": "v=0"}


@pytest.fixture(params=[in_memory, in_redis(1), in_redis(2), in_redis(3)], ids=["memory", "1", "2", "3"])
def told_of_answers(request: pytest.FixtureRequest, redis: Redis) -> Iterator[App]:
    made = request.param(0.0, redis)
    yield made
    made.workers.stop()


def ends(app: App) -> list[Event]:
    return [event for event in app.take() if event.type == EventType.CALL_ENDED]


LOGGED = Settings(log_events="calls")


@pytest.mark.parametrize("answerer", [0, 1])
def test_the_end_of_a_call_knows_when_it_was_answered_first(told_of_answers: App, answerer: int):
    app = told_of_answers
    users = [Person(app.workers, LOGGED).joins("alice", "bob"), Person(app.workers, LOGGED).joins("bob", "alice")]
    app.workers.settle()
    users[answerer].says(type="message", data=ANSWER)
    app.workers.settle()
    # The times come of two clocks, so they may differ a little.
    answered_by = time.time() + 0.01
    time.sleep(0.02)
    users[1 - answerer].says(type="message", data=ANSWER)
    app.workers.settle()
    # The other user comes back, and the negotiation starts over.
    users[1] = Person(app.workers, LOGGED).joins("bob", "alice")
    app.workers.settle()
    users[1].says(type="message", data=ANSWER)
    app.workers.settle()
    for user in users:
        user.drops(1000)
    [end] = ends(app)
    assert end.answered is not None
    assert end.began < end.answered < answered_by <= end.at
    # The next call of the two is another one.
    for one, other in (("alice", "bob"), ("bob", "alice")):
        users.append(Person(app.workers, LOGGED).joins(one, other))
    app.workers.settle()
    users[3].says(type="message", data={"type": "offer", "sdp": "v=0"})
    for user in users[2:]:
        user.drops(1000)
    [end] = ends(app)
    assert end.answered is None


def test_a_call_is_still_answered_after_redis_lost_it(redis: Redis):
    app = in_redis(1)(0.0, redis)
    users = [Person(app.workers, LOGGED).joins("alice", "bob"), Person(app.workers, LOGGED).joins("bob", "alice")]
    users[1].says(type="message", data=ANSWER)
    app.workers.settle()
    redis.ask("FLUSHALL")
    [connection] = app.registries[0].redis.up
    connection.abort("the test ends it")
    app.workers.settle()
    for user in users:
        user.drops(1000)
    [end] = ends(app)
    assert end.answered is not None
    app.workers.stop()


USERS = ("a", "b", "c")


class CallWalk(RuleBasedStateMachine):
    """Users who come, reload, hang up and vanish. The model keeps for each pair what an app must be told."""

    grace = FOREVER

    def __init__(self) -> None:
        super().__init__()
        self.told = self.made()
        self.clients: dict[tuple[str, str], Person] = {}
        self.waiting: dict[Pair, str] = {}
        self.calls: dict[Pair, bool] = {}
        self.silent: set[Pair] = set()
        self.sequences: dict[str, list[Event]] = {}

    def made(self) -> App:
        return App(MemoryRegistry(self.grace))

    def teardown(self) -> None:
        self.told.workers.stop()

    def check(self, expected: list[Told]) -> None:
        events = self.told.take()
        assert [words(event) for event in events] == expected
        for event in events:
            self.sequences.setdefault(event.call_id, []).append(event)

    @rule(user=st.sampled_from(USERS), peer=st.sampled_from(USERS))
    def join(self, user: str, peer: str) -> None:
        if user == peer:
            return
        pair = Pair(*sorted((user, peer)))
        expected: list[Told] = []
        if (peer, user) in self.clients:
            if pair in self.waiting and self.waiting[pair] != user:
                waited = self.waiting.pop(pair)
                expected += [] if pair in self.silent else [("waiting_ended", waited, "met")]
                self.silent.discard(pair)
            if pair not in self.calls:
                expected.append(("started", "", ""))
            self.calls[pair] = False
        elif pair not in self.calls and pair not in self.waiting:
            self.waiting[pair] = user
            expected.append(("waiting", user, ""))
        before = self.clients.pop((user, peer), None)
        self.clients[user, peer] = Person(self.told.workers).joins(user, peer)
        if before is not None:
            # The server has closed it.
            before.drops(4001)
        self.check(expected)

    @rule(data=st.data(), code=st.sampled_from([1000, 1001, 1006]))
    def leave(self, data: st.DataObject, code: int) -> None:
        if not self.clients:
            return
        user, peer = data.draw(st.sampled_from(sorted(self.clients)))
        client = self.clients.pop((user, peer))
        pair, reason = Pair(*sorted((user, peer))), "left" if code == 1000 else "lost"
        expected: list[Told] = []
        if self.waiting.get(pair) == user:
            del self.waiting[pair]
            expected += [] if pair in self.silent else [("waiting_ended", user, reason)]
            self.silent.discard(pair)
        elif pair in self.calls:
            hung_up = self.calls[pair] = self.calls[pair] or reason == "left"
            if self.grace == 0 or (hung_up and (peer, user) not in self.clients):
                del self.calls[pair]
                expected.append(("ended", "", "left" if hung_up else "lost"))
                if (peer, user) in self.clients:
                    self.waiting[pair] = peer
                    self.silent.add(pair)
        client.drops(code)
        self.check(expected)

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if not self.calls:
            return
        pair = data.draw(st.sampled_from(sorted(self.calls)))
        directory = data.draw(st.sampled_from(self.told.registries)).directory
        [call] = [call for call in directory.calls() if call.users == pair]
        assert directory.end_call(call.id) == pair
        del self.calls[pair]
        self.check([("ended", "", "ended")])

    @invariant()
    def the_lists_agree(self) -> None:
        for registry in self.told.registries:
            assert {call.users for call in registry.directory.calls()} == set(self.calls)
            assert {wait.user: wait.peer for wait in registry.directory.waits()} == {
                user: next(key for key in pair if key != user) for pair, user in self.waiting.items()
            } or len(self.waiting) != len(set(self.waiting.values()))

    @invariant()
    def each_id_is_told_in_order(self) -> None:
        for events in self.sequences.values():
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            types = [event.type for event in events]
            for type_ in EventType:
                assert types.count(type_) <= 1
            if EventType.CALL_ENDED in types:
                assert types[-2:] == [EventType.CALL_STARTED, EventType.CALL_ENDED]


EXAMPLES = settings.default.max_examples


@pytest.mark.parametrize("grace", [0.0, FOREVER])
def test_every_order_in_memory_tells_what_the_model_says(grace: float):
    kind = type("Walk", (CallWalk,), {"grace": grace})
    run_state_machine_as_test(kind, settings=settings(max_examples=EXAMPLES, stateful_step_count=40))


@pytest.mark.parametrize("grace", [0.0, FOREVER])
def test_every_order_in_redis_tells_what_the_model_says(grace: float, redis: Redis):
    def made(_: CallWalk) -> App:
        return in_redis(2)(grace, redis)

    kind = type("Walk", (CallWalk,), {"grace": grace, "made": made})
    run_state_machine_as_test(kind, settings=settings(max_examples=EXAMPLES // 10, stateful_step_count=30))
