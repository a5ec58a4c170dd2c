"""An app hears of its calls by signals, and acts on them, without a socket."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, current_app, g, got_request_exception

from signaling import (
    Call,
    Signaling,
    Unavailable,
    call_ended,
    call_started,
    call_waiting,
    waiting_ended,
)
from signaling.node.event_queue import EventQueue
from signaling.protocol.messages import Pair
from signaling.rooms.events import Event, EventType
from signaling.testing import SignalingClient
from signaling.web.app_events import send_signal
from tests.redis_server import Redis
from tests.unit.people import until
from tests.waiting import TIMEOUT

SIGNALS = (call_waiting, waiting_ended, call_started, call_ended)


def make_app(name: str = "app", **settings: Any) -> tuple[Flask, Signaling]:
    app = Flask(name)
    app.config["SIGNALING_OPEN"] = True
    app.config.update({f"SIGNALING_{key.upper()}": value for key, value in settings.items()})
    return app, Signaling(app)


class Heard:
    """The signals that one app sent."""

    def __init__(self, app: Flask) -> None:
        self.signals: list[tuple[str, dict[str, Any]]] = []
        self._receivers = []
        for signal in SIGNALS:

            def receive(sender: Flask, _name: str = signal.name, **values: Any) -> None:
                assert sender is app
                assert current_app._get_current_object() is app  # type: ignore[attr-defined]
                self.signals.append((_name.removeprefix("signaling-"), values))

            signal.connect(receive, app)
            self._receivers.append(receive)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.signals]


def test_an_app_hears_of_each_step_with_the_documented_arguments():
    app, _ = make_app(call_grace=0)
    heard = Heard(app)
    with SignalingClient(app) as alice:
        alice.join("bob", "alice")
        assert heard.signals == [("call-waiting", {"user": "alice", "peer": "bob"})]
        with SignalingClient(app) as bob:
            bob.join("alice", "bob")
        assert heard.names == ["call-waiting", "waiting-ended", "call-started", "call-ended"]
        assert heard.signals[1] == ("waiting-ended", {"user": "alice", "peer": "bob", "outcome": "met"})
        started, ended = heard.signals[2][1]["call"], heard.signals[3][1]["call"]
        assert isinstance(started, Call)
        assert (started.id, started.users, started.ended_at, started.duration) == (ended.id, ("alice", "bob"), None, 0)
        assert (ended.reason, ended.duration) == ("left", ended.ended_at - ended.started_at)
    with SignalingClient(app) as carol:
        carol.join("bob", "carol")
        carol.disconnect(1006)
    assert heard.signals[-1] == ("waiting-ended", {"user": "carol", "peer": "bob", "outcome": "lost"})


def test_two_apps_of_one_process_hear_nothing_of_each_other():
    (one, _), (other, _) = make_app("one"), make_app("other")
    heard = Heard(other)
    with SignalingClient(one) as alice:
        alice.join("bob", "alice")
    assert heard.signals == []


def test_a_receiver_that_raises_harms_no_other_and_is_reported_as_a_view_that_fails(caplog: pytest.LogCaptureFixture):
    app, _ = make_app()
    told: list[BaseException] = []

    def report(_: Flask, exception: BaseException, **__: object) -> None:
        told.append(exception)

    def fail(_: Flask, **__: object) -> None:
        raise RuntimeError("the database is away")

    got_request_exception.connect(report, app)
    call_waiting.connect(fail, app)
    heard = Heard(app)
    with SignalingClient(app) as alice:
        assert alice.join("bob", "alice")["type"] == "created"
    assert heard.names == ["call-waiting", "waiting-ended"]
    assert [str(error) for error in told] == ["the database is away"]
    assert "A receiver of signaling-call-waiting failed" in caplog.text


class StopAllError(BaseException):
    """What ``except Exception`` does not catch, as SystemExit and gevent.Timeout."""


@pytest.mark.parametrize("breaks", ["receiver", "teardown", "report"])
def test_a_receiver_that_breaks_all_around_it_takes_the_signal_from_no_other(breaks: str):
    app, _ = make_app()
    heard: list[str] = []
    seen: list[str | None] = []
    kept = []

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        seen.append(error and str(error))
        if breaks == "teardown" and error:
            raise RuntimeError("the rollback failed as well")

    def report(_: Flask, **__: object) -> None:
        if breaks == "report":
            raise RuntimeError("the reporter is away")

    got_request_exception.connect(report, app)
    for name in "abc":

        def receive(_: Flask, _name: str = name, **__: object) -> None:
            heard.append(_name)
            raise StopAllError(_name) if breaks == "receiver" else RuntimeError(_name)

        kept.append(receive)
        call_waiting.connect(receive, app)
    if breaks == "receiver":
        with pytest.raises(StopAllError):
            send_signal(app, EventType.WAITING, {"user": "alice", "peer": "bob"})
    else:
        assert send_signal(app, EventType.WAITING, {"user": "alice", "peer": "bob"}) is False
    assert sorted(heard) == ["a", "b", "c"]
    assert {"a", "b", "c"} <= set(seen), "a commit at the teardown must know that the receiver failed"


def test_each_receiver_has_an_app_context_of_its_own_which_ends():
    app, _ = make_app()
    ends: list[object] = []
    app.teardown_appcontext(lambda _: ends.append(g.get("mine")))

    def one(_: Flask, **__: object) -> None:
        g.mine = "one"

    def other(_: Flask, **__: object) -> None:
        assert "mine" not in g
        g.mine = "other"

    call_waiting.connect(one, app)
    call_waiting.connect(other, app)
    with SignalingClient(app) as alice:
        alice.join("bob", "alice")
        assert sorted(ends[-2:]) == ["one", "other"]  # type: ignore[type-var]


def test_an_async_receiver_is_awaited():
    app, _ = make_app()
    # As an app does that does without asgiref.
    app.async_to_sync = lambda function: lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))  # type: ignore[method-assign]
    heard: list[str] = []

    async def receive(_: Flask, user: str, **__: object) -> None:
        heard.append(user)

    call_waiting.connect(receive, app)
    with SignalingClient(app) as alice:
        alice.join("bob", "alice")
    assert heard == ["alice"]


def test_an_app_lists_ends_and_bars():
    app, signaling = make_app()
    heard = Heard(app)
    with app.app_context(), SignalingClient(app) as alice, SignalingClient(app) as bob:
        alice.join("bob", "alice")
        assert [(wait.user, wait.peer) for wait in signaling.waiting()] == [("alice", "bob")]
        assert signaling.waiting(user="bob") == signaling.waiting(peer="alice") == []
        bob.join("alice", "bob")
        assert signaling.waiting() == []
        [call] = signaling.calls()
        assert signaling.calls(user="alice") == signaling.calls("bob") == [call]
        assert signaling.calls("carol") == []
        assert signaling.end("unknown") is False
        assert signaling.end(call.id, "Your time is over") is True
        assert signaling.end(call.id) is False
        for client in (alice, bob):
            assert client.receive("error")["message"] == "Your time is over"
            assert client.close_code == 4004
        assert heard.signals[-1][0] == "call-ended"
        assert heard.signals[-1][1]["call"].reason == "ended"
    with app.app_context(), SignalingClient(app) as alice, SignalingClient(app) as again:
        alice.join("bob", "alice")
        again.join("carol", "alice")
        assert signaling.disconnect("alice", bar_seconds=3_600) == 2
        assert signaling.disconnect("alice") == 0
        assert (alice.close_code, again.close_code) == (4004, 4004)
        with SignalingClient(app) as back:
            assert back.join("bob", "alice")["code"] == "unauthorized"
            assert back.close_code == 4003
        for reason in ("x" * 201, "two\nlines", "\ud800"):
            with pytest.raises(ValueError, match="reason must be one line of at most 200 characters"):
                signaling.disconnect("alice", reason=reason)
            with pytest.raises(ValueError, match="reason must be one line of at most 200 characters"):
                signaling.end("any", reason)
        for seconds in (-1, 10**9):
            with pytest.raises(ValueError, match="bar_seconds must be from 0"):
                signaling.disconnect("alice", seconds)


def test_who_was_let_in_by_the_login_is_disconnected_before_any_join():
    app = Flask("login")
    signaling = Signaling()
    signaling.user_loader(lambda: "alice")
    signaling.init_app(app)
    with SignalingClient(app) as idle, app.app_context():
        assert signaling.disconnect("alice", reason="You have logged out") == 1
        assert idle.close_code == 4004
        assert idle.receive("error")["message"] == "You have logged out"


def test_outside_of_an_app_and_in_another_app_the_methods_say_so():
    _, signaling = make_app()
    with pytest.raises(RuntimeError, match="application context"):
        signaling.calls()
    with Flask("another").app_context(), pytest.raises(RuntimeError, match="call init_app"):
        signaling.calls()


def test_without_redis_the_lists_are_partial_and_others_cannot_be_reached():
    app, signaling = make_app(redis_url="redis://127.0.0.1:1/0", redis_timeout=0.05)
    with app.app_context():
        for listing in (signaling.calls(), signaling.waiting()):
            assert (listing, listing.partial) == ([], True)
        for attempt in (lambda: signaling.end("any"), lambda: signaling.disconnect("alice")):
            with pytest.raises(Unavailable, match="Redis cannot be reached"):
                attempt()


@pytest.mark.parametrize("bar_seconds", [0, 60])
def test_without_redis_a_user_is_disconnected_from_this_worker_at_least(bar_seconds: float):
    app = Flask("app")
    where = {"SIGNALING_REDIS_URL": "redis://127.0.0.1:1/0", "SIGNALING_REDIS_PREFIX": f"bar-{bar_seconds}"}
    app.config.update(where, SIGNALING_REDIS_TIMEOUT=0.05)
    signaling = Signaling()
    signaling.user_loader(lambda: "alice")
    signaling.init_app(app)
    with SignalingClient(app) as alice, app.app_context():
        with pytest.raises(Unavailable):
            signaling.disconnect("alice", bar_seconds)
        assert alice.close_code == 4004


def test_a_worker_that_does_not_answer_is_named_and_never_passed_over(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    redis.ask("FLUSHALL")
    apps = [make_app("app", redis_url=redis.url, node_timeout=3_600) for _ in range(2)]
    nodes = [app.extensions["signaling"] for app, _ in apps]
    for node in nodes:
        node.shared.redis.start()
    until(lambda: all(node.shared.redis.all_up for node in nodes))
    del nodes[1].cluster.handlers["disconnect"], nodes[1].cluster.handlers["end"]
    monkeypatch.setattr("signaling.node.cluster.SURVEY_TIMEOUT", 0.1)
    app, signaling = apps[0]
    name = nodes[1].info().name
    with app.app_context(), SignalingClient(app) as alice, SignalingClient(app) as bob:
        alice.join("bob", "alice")
        bob.join("alice", "bob")
        [call] = signaling.calls()
        with pytest.raises(Unavailable, match=f"No answer from {re.escape(name)}: connections there may still be open"):
            signaling.end(call.id)
        with pytest.raises(Unavailable, match=re.escape(name)):
            signaling.disconnect("alice")
    for node in nodes:
        node.leave_cluster()


def test_over_redis_one_app_in_two_workers_acts_as_one(redis: Redis):
    redis.ask("FLUSHALL")
    # Two workers of one app, as two processes would be.
    (one, here), (other, there) = (make_app("app", redis_url=redis.url, node_timeout=10) for _ in range(2))
    heard_one, heard_other = Heard(one), Heard(other)
    nodes = [app.extensions["signaling"] for app in (one, other)]
    for node in nodes:
        node.shared.redis.start()
    until(lambda: all(len(node.cluster.nodes()) == 1 for node in nodes))
    with SignalingClient(one) as alice, SignalingClient(other) as bob:
        alice.join("bob", "alice")
        with other.app_context():
            assert [wait.user for wait in there.waiting()] == ["alice"]
        bob.join("alice", "bob")
        until(lambda: "ready" in [reply["type"] for reply in alice.replies])
        with one.app_context():
            [call] = here.calls("bob")
            assert here.end(call.id, "Over") is True
        assert (alice.close_code, bob.close_code) == (4004, 4004)
        with other.app_context():
            assert there.calls() == []
    for node in nodes:
        node.events.deliver_all()
    assert sorted(heard_one.names + heard_other.names) == [
        "call-ended",
        "call-started",
        "call-waiting",
        "waiting-ended",
    ]
    with SignalingClient(one) as alice:
        alice.join("bob", "alice")
        with other.app_context():
            assert there.disconnect("alice", bar_seconds=3_600) == 1
        assert alice.close_code == 4004
    with SignalingClient(one) as back:
        assert back.join("bob", "alice")["code"] == "unauthorized"
    for node in nodes:
        node.leave_cluster()


def event(number: int, pair: str = "ab") -> Event:
    return Event(
        type=EventType.WAITING,
        call_id=str(number),
        sequence=1,
        at=0.0,
        pair=Pair(*pair),
        json=(b'"a"', b'"b"'),
        user=pair[0],
    )


class Deliveries:
    """A receiver that waits until it may go on."""

    def __init__(self, *blocked: str) -> None:
        self.go_on = threading.Event()
        self.got: list[str] = []
        self._blocked = blocked

    def is_wanted(self, _: Event) -> bool:
        return True

    def send(self, event: Event) -> None:
        if event.pair.first in self._blocked:
            assert self.go_on.wait(TIMEOUT)
        self.got.append(event.call_id)
        if event.call_id == "raises":
            raise SystemExit("a receiver that ends everything")


@pytest.fixture
def started() -> Iterator[list[EventQueue]]:
    queues: list[EventQueue] = []
    yield queues
    for queue in queues:
        queue.drain(TIMEOUT)


def wait_for(is_so: Any) -> None:
    limit = threading.Event()
    for _ in range(int(TIMEOUT * 100)):
        if is_so():
            return
        limit.wait(0.01)
    raise AssertionError


def test_a_receiver_that_takes_long_delays_only_its_own_pair_and_keeps_its_order(started: list[EventQueue]):
    deliveries = Deliveries("a")
    queue = EventQueue(deliveries, 100, lambda: None)
    started.append(queue)
    queue.start()
    for number in range(5):
        queue.put(event(number, "ab"))
    queue.put(event(10, "cd"))
    wait_for(lambda: deliveries.got == ["10"])
    assert len(queue) == 5
    deliveries.go_on.set()
    wait_for(lambda: len(deliveries.got) == 6)
    assert deliveries.got[1:] == ["0", "1", "2", "3", "4"]


def test_a_full_queue_drops_and_says_so_and_goes_on(started: list[EventQueue], caplog: pytest.LogCaptureFixture):
    deliveries = Deliveries("a")
    queue = EventQueue(deliveries, 2, lambda: None)
    started.append(queue)
    queue.start()
    for number in range(5):
        queue.put(event(number, "ab"))
    assert (queue.dropped, len(queue)) == (3, 2)
    assert "Events of calls that were dropped: 1" in caplog.text
    assert "SIGNALING_EVENT_QUEUE" in caplog.text
    deliveries.go_on.set()
    wait_for(lambda: len(queue) == 0)
    queue.put(event(9, "ab"))
    wait_for(lambda: deliveries.got[-1] == "9")


def test_no_exception_ends_the_delivery(started: list[EventQueue], caplog: pytest.LogCaptureFixture):
    deliveries = Deliveries()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        # The thread outlives this test, and must not log into the next ones.
        if len(ticks) <= 2:
            raise SystemExit

    queue = EventQueue(deliveries, 100, tick)
    started.append(queue)
    queue.start()
    for _ in range(20):
        queue.put(Event(**{name: getattr(event(0), name) for name in Event.__struct_fields__} | {"call_id": "raises"}))
    queue.put(event(1))
    wait_for(lambda: deliveries.got[-1:] == ["1"])
    wait_for(lambda: len(ticks) >= 3)
    # Each is said, and none of them later, in the log of another test.
    wait_for(lambda: len([record for record in caplog.records if "which goes on" in record.message]) == 22)


def test_a_stop_waits_for_the_last_events_and_reports_those_that_are_left(caplog: pytest.LogCaptureFixture):
    deliveries = Deliveries("a")
    queue = EventQueue(deliveries, 100, lambda: None)
    queue.start()
    queue.put(event(1))
    queue.drain(0.0)
    assert "The server stops with 1 events of calls that the app did not get" in caplog.text
    deliveries.go_on.set()
    queue.drain(TIMEOUT)
    assert deliveries.got == ["1"]
