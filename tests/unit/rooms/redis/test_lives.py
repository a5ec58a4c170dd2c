"""Loops of a worker that go on whatever Redis says, and workers that are dead whatever their lease says."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import msgspec
import pytest

from signaling.config.redis_url import CLUSTER_PARTITIONS, Address
from signaling.config.settings import Settings
from signaling.rooms.redis import client as redis_client
from signaling.rooms.redis.connection import RedisConnectionError
from signaling.rooms.redis.connector import Connector
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis, redis_server
from tests.unit.people import Host, until

WORKERS = "signaling:{0}:workers"
DAY = 86_400_000


@pytest.fixture
def server() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


@pytest.fixture
def make(server: Redis) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def host(**settings: float) -> Host:
        made.append(Host(server.url, **settings))
        return made[-1]

    yield host
    for one in made:
        one.registry.redis.stop()


def now(server: Redis) -> int:
    seconds, micros = server.ask("TIME")  # type: ignore[misc]
    return int(seconds) * 1_000 + int(micros) // 1_000


def ghost(server: Redis, entry: str) -> None:
    """Leave behind what a worker leaves that died: its lease, and a connection in a room."""
    seat = msgspec.msgpack.encode(("f" * 16, "ghost", 1, '"casper"', "casper", 1))
    server.ask("HSET", WORKERS, "ghost", entry)
    server.ask("HSET", "signaling:{0}:room:6:casper_wendy", "casper", seat)  # type: ignore[arg-type]
    place = msgspec.msgpack.encode(("casper", "wendy", "casper"))
    server.ask("HSET", "signaling:{0}:connections:ghost", "f" * 16, place)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "entry",
    [
        lambda now: f"epoch {now + DAY} {{}}",
        lambda now: f"epoch {now + 365 * DAY} {{}}",
        lambda now: f"epoch {now + 2_000} {{}}",
        lambda now: "",
        lambda now: "epoch",
        lambda now: "epoch tomorrow {}",
        lambda now: "epoch inf {}",
    ],
    ids=["a day", "a year", "three leases", "empty", "no lease", "no number", "infinite"],
)
def test_a_lease_that_ends_too_late_or_cannot_be_read_keeps_no_ghost(
    make: Callable[..., Host], server: Redis, entry: Callable[[int], str]
):
    # A lease of 0.7 seconds.
    host = make(node_timeout=1.0)
    ghost(server, entry(now(server)))
    wendy = host.joins("wendy", "casper")
    until(lambda: "bye" in [reply["type"] for reply in wendy.inbox])
    until(lambda: b"ghost" not in server.ask("HKEYS", WORKERS))  # type: ignore[operator]
    assert "signaling:{0}:connections:ghost" not in server.names()
    assert host.up


def test_a_worker_with_a_longer_timeout_than_the_others_stays_alive(make: Callable[..., Host]):
    """As while it is changed, host after host."""
    short, long = make(node_timeout=1.0), make(node_timeout=6.0)
    alice, bob = short.joins("alice", "bob"), long.joins("bob", "alice")
    until(lambda: len(alice.inbox) == 4)
    gevent.sleep(3.0)
    assert len(alice.inbox) == 4
    assert len(bob.inbox) == 2


class Failing:
    """Fails some times as it is told to, and then does as ever."""

    def __init__(self, ever: Callable[..., Any], *errors: BaseException) -> None:
        self._ever = ever
        self.errors = list(errors)

    def __call__(self, *arguments: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return self._ever(*arguments)


ERRORS = [
    AttributeError("host"),
    RedisConnectionError("away"),
    OSError(24, "Too many open files"),
    gevent.Timeout(1),
    KeyError(0),
]


def test_reconnecting_goes_on_whatever_it_meets(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(redis_client, "RECONNECT_INTERVAL", 0.0)
    host = make()
    redis = host.registry.redis
    for part, name in ((redis._connector, "locate"), (redis._connector, "open"), (redis._rooms, "resync")):
        failing = Failing(getattr(part, name), *(type(error)(*error.args) for error in ERRORS if error.args))
        monkeypatch.setattr(part, name, failing)
        caplog.clear()
        host.breaks()
        until(lambda failing=failing: host.up and not failing.errors)
        said = [record.message for record in caplog.records if "cannot be used" in record.message]
        assert len(said) == 1, "once, until it is over"
        assert len([record for record in caplog.records if record.exc_info]) <= len(ERRORS)
    host.joins("late", "comer").drops()


def test_the_heartbeat_goes_on_whatever_it_meets(make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch):
    host = make(node_timeout=1.0)
    redis = host.registry.redis
    failing = Failing(redis.execute, *ERRORS)
    monkeypatch.setattr(redis, "execute", failing)
    until(lambda: not failing.errors)
    beats = Failing(redis._extend_lease)
    seen: list[int] = []
    monkeypatch.setattr(redis, "_extend_lease", lambda *arguments: [seen.append(1), beats(*arguments)])
    until(lambda: len(seen) > 2)
    assert host.up


def test_a_worker_that_cannot_describe_itself_is_alive_all_the_same(server: Redis, caplog: pytest.LogCaptureFixture):
    def describe() -> bytes:
        raise RuntimeError("nobody knows")

    registry = RedisRegistry(Settings(redis_url=server.url, node_timeout=1.0), describe)
    registry.redis.wait_for(0)
    until(lambda: registry.redis.workers.get(registry.redis.worker) == b"{}")
    gevent.sleep(0.5)
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    registry.redis.stop()


def test_a_worker_whose_seat_cannot_be_read_is_buried_once_it_can(make: Callable[..., Host], server: Redis):
    host = make(node_timeout=1.0)
    server.ask("HSET", "signaling:{0}:connections:ghost", "f" * 16, "no msgpack")
    server.ask("HSET", WORKERS, "ghost", "epoch 1 {}")
    before = host.registry.redis.broken
    until(lambda: host.registry.redis.broken > before + 1)
    ghost(server, "epoch 1 {}")
    until(lambda: b"ghost" not in server.ask("HKEYS", WORKERS))  # type: ignore[operator]


def test_a_link_that_breaks_each_time_is_not_opened_without_a_pause(make: Callable[..., Host]):
    host = make()
    opened: list[float] = []
    redis = host.registry.redis
    connect = redis._connect

    def counted() -> None:
        opened.append(time.monotonic())
        connect()
        host.breaks()

    redis._connect = counted  # type: ignore[method-assign]
    host.breaks()
    until(lambda: len(opened) == 4)
    assert all(later - earlier >= redis_client.RECONNECT_INTERVAL for earlier, later in itertools.pairwise(opened))


HOSTS = {
    "null": (None, 7, "seed", 7),
    "empty": (b"", 7, "seed", 7),
    "unknown": (b"?", 7, "seed", 7),
    "a name": (b"redis.internal", 7, "redis.internal", 7),
    "an address": (b"10.0.0.1", 7, "10.0.0.1", 7),
    "no port": (None, None, "seed", 1),
}


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Connector]]:
    def make(*answers: Any) -> Connector:
        found = Connector(Settings(redis_url="redis+cluster://seed:1,other:2"))
        told = iter(answers)

        class Told:
            def execute(self, *_: str, seconds: float) -> Any:
                return next(told)

            def abort(self, why: str) -> None: ...

        monkeypatch.setattr(found, "open", lambda *_: Told())
        return found

    return make


@pytest.mark.parametrize("kind", HOSTS)
def test_a_host_that_a_cluster_does_not_tell_is_that_of_the_one_who_was_asked(connector, kind: str):
    host, port, expected, at = HOSTS[kind]
    located = connector([[0, 16_383, [host, port, b"id", []]]]).locate()
    assert located == {Address(expected, at): list(range(CLUSTER_PARTITIONS))}


@pytest.mark.parametrize(
    "answer",
    [None, [], [[0, 16_383]], [[0, 16_383, None]], [[0, 16_383, [1, 2]]], [[0, 16_383, []]], [None], 7, b"x", [[b"0"]]],
    ids=repr,
)
def test_an_answer_that_cannot_be_used_is_that_of_one_server(connector, answer: Any):
    good = [[0, 16_383, [b"h", 7]]]
    assert connector(answer, good).locate() == {Address("h", 7): list(range(CLUSTER_PARTITIONS))}
    with pytest.raises(RedisConnectionError, match=r"seed:1: .+; other:2: .+"):
        connector(answer, answer).locate()


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
def test_a_host_that_cannot_be_is_one_that_is_not_reached(host: str):
    """A cluster may tell it."""
    with pytest.raises(RedisConnectionError):
        Connector(Settings(redis_url="redis://localhost:1")).open(Address(host, 1))
