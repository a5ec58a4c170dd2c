"""Questions that workers ask each other over a real Redis, and what bounds them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gevent
import msgspec
import pytest
from gevent.event import Event

from signaling.config.settings import Settings
from signaling.node import cluster
from signaling.node.cluster import MAX_ANSWER_BYTES, MAX_SURVEY_ANSWERS, Cluster, SurveyHandler
from signaling.node.info import NodeInfo
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis
from tests.waiting import TIMEOUT


class Worker:
    """One that answers as it is told to, and has no users."""

    def __init__(self, redis: Redis, pid: int, told: bytes = b"", /, **handlers: SurveyHandler) -> None:
        node = NodeInfo(host="host", pid=pid, version="1", started=0.0, draining=False, connections=pid, rooms=0)
        told = told or msgspec.json.encode(node)
        # Ten beats in each.
        self.registry = RedisRegistry(Settings(redis_url=redis.url, node_timeout=5.0), lambda: told)
        self.cluster = Cluster(self.registry.bus, handlers)
        self.registry.redis.wait_for(0)

    def knows(self, *others: Worker) -> Worker:
        """Wait until it does."""
        until(lambda: {other.registry.bus.worker for other in others} <= self.cluster.nodes().keys())
        return self

    def asks(self, what: str, argument: str = "") -> dict[int, bytes | None]:
        return {node.pid: answer for node, answer in self.cluster.survey(what, bytes, argument)}

    def asks_in_vain(self, what: str, argument: str = "") -> dict[int, bytes | None]:
        """Ask what nobody answers, with less patience, since there is nothing to wait for."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cluster, "SURVEY_TIMEOUT", 0.1)
            return self.asks(what, argument)


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not so():
        assert time.monotonic() < deadline
        gevent.sleep(0.01)


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers has all the time that a slow machine takes."""
    monkeypatch.setattr(cluster, "SURVEY_TIMEOUT", TIMEOUT)


@pytest.fixture
def worker(redis: Redis) -> Iterator[Callable[..., Worker]]:
    redis.ask("FLUSHALL")
    made: list[Worker] = []

    def make(**handlers: SurveyHandler) -> Worker:
        made.append(Worker(redis, len(made) + 1, **handlers))
        return made[-1]

    yield make
    for one in made:
        one.registry.redis.stop()


def test_all_others_are_asked_and_answer(worker: Callable[..., Worker]):
    one, two, three = (worker(echo=lambda request: request.argument.encode()) for _ in range(3))
    assert one.knows(two, three).asks("echo", "käse") == {2: "käse".encode(), 3: "käse".encode()}
    assert three.knows(one, two).asks("echo") == {1: b"", 2: b""}


def test_who_is_alone_asks_nobody_and_waits_for_nobody(worker: Callable[..., Worker]):
    begin = time.monotonic()
    assert worker().asks("echo") == {}
    assert time.monotonic() - begin < TIMEOUT


def test_who_does_not_know_the_question_is_missing(worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch):
    one, two, three = worker(), worker(word=lambda _: b"hi"), worker()
    one.knows(two, three)
    monkeypatch.setattr(cluster, "SURVEY_TIMEOUT", 3.0)
    begin = time.monotonic()
    assert one.asks("word") == {2: b"hi", 3: None}
    assert 3.0 <= time.monotonic() - begin < TIMEOUT


def test_an_answer_that_is_too_long_is_none(worker: Callable[..., Worker]):
    one, two = (
        worker(),
        worker(word=lambda request: bytes(request.max_bytes), more=lambda request: bytes(request.max_bytes + 1)),
    )
    one.knows(two)
    assert one.asks("word") == {2: bytes(MAX_ANSWER_BYTES)}
    assert one.asks_in_vain("more") == {2: None}


def test_the_more_there_are_the_shorter_are_their_answers(
    worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster, "MAX_SURVEY_BYTES", 300)
    one, *others = (worker(most=lambda request: str(request.max_bytes).encode()) for _ in range(4))
    assert set(one.knows(*others).asks("most").values()) == {b"100"}


def test_an_answer_that_cannot_be_read_is_none(worker: Callable[..., Worker]):
    one, two = worker(), worker(word=lambda _: b"\xff")
    [(node, answer)] = one.knows(two).cluster.survey("word", msgspec.json.decode)
    assert (node.pid, answer) == (2, None)


def test_a_late_answer_finds_nobody_and_is_no_answer_to_the_next_question(worker: Callable[..., Worker]):
    go_on = Event()

    def late(request: cluster.SurveyRequest) -> bytes:
        go_on.wait()
        return request.argument.encode()

    one, two = worker(), worker(word=late)
    assert one.knows(two).asks_in_vain("word", "first") == {2: None}
    go_on.set()
    assert one.asks("word", "second") == {2: b"second"}
    assert list(one.registry.bus.routes) == [cluster._REQUESTS]


def test_an_answer_takes_its_time_beside_the_event_loop(worker: Callable[..., Worker]):
    """The asked worker passes messages on meanwhile; those that it has no place for are left out."""
    go_on, begun = Event(), []

    def slow(_: cluster.SurveyRequest) -> bytes:
        begun.append(True)
        go_on.wait()
        return b"done"

    one, two = worker(), worker(slow=slow, word=lambda _: b"hi")
    one.knows(two)
    name, ask = two.registry.bus.worker, msgspec.msgpack.encode
    for number in range(MAX_SURVEY_ANSWERS + 1):
        request = cluster.SurveyRequest(one.registry.bus.worker, f"{number:016}", "slow", "", 100)
        one.registry.bus.publish(name, cluster._REQUESTS, ask(request))
    until(lambda: len(begun) == MAX_SURVEY_ANSWERS)
    assert one.asks_in_vain("word") == {2: None}
    go_on.set()
    until(lambda: one.asks("word") == {2: b"hi"})
    assert len(begun) == MAX_SURVEY_ANSWERS
    assert two.registry.redis.broken == 0


def test_what_is_no_question_is_no_fault(worker: Callable[..., Worker]):
    one, two = worker(), worker(word=lambda _: b"hi")
    one.knows(two).registry.bus.publish(two.registry.bus.worker, cluster._REQUESTS, b"nonsense")
    assert one.asks("word") == {2: b"hi"}
    assert two.registry.redis.broken == 0


def test_who_told_nothing_of_itself_yet_is_not_asked(redis: Redis, worker: Callable[..., Worker]):
    one, two = worker(), Worker(redis, 2, b"{}")
    try:
        until(lambda: two.registry.bus.worker in one.registry.redis.workers)
        assert one.asks("word") == {}
    finally:
        two.registry.redis.stop()


def test_while_there_is_no_redis_nobody_else_is_known(worker: Callable[..., Worker]):
    one, two = worker(word=lambda _: b"hi"), worker(word=lambda _: b"hi")
    one.knows(two)
    link = one.registry.redis.up[0]
    assert link is not None
    link.abort("pulled")
    assert (one.cluster.redis, one.asks("word"), one.registry.redis.broken) == ("down", {}, 1)
    one.registry.redis.wait_for(0)
    assert (one.cluster.redis, one.asks("word")) == ("up", {2: b"hi"})
