"""An app in several workers hears of each wait and each call once, also when a worker dies or Redis is away."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.driver import ROOT, Client
from tests.long import rest_long
from tests.redis.conftest import connected, host
from tests.redis.people import talk
from tests.redis_server import Redis, redis_server
from tests.waiting import wait_until

APP = """
import json, os
from flask import Flask
from signaling import Signaling, call_ended, call_started, call_waiting, waiting_ended

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
signaling = Signaling(app)

def write(_, **values):
    if "call" in values:
        call = values["call"]
        values = {"id": call.id, "users": call.users, "reason": call.reason, "duration": call.duration}
    with open(os.environ["EVENTS"], "a") as file:
        file.write(json.dumps(values) + "\\n")

for signal in (call_ended, call_started, call_waiting, waiting_ended):
    signal.connect(write)

@app.get("/calls")
def calls():
    return {"calls": [call.id for call in signaling.calls()], "partial": signaling.calls().partial}

@app.get("/disconnect/<user>")
def disconnect(user):
    return {"closed": signaling.disconnect(user, bar_seconds=3600)}
"""


class App:
    """The app, at two hosts, and what it wrote."""

    def __init__(self, folder: Path, redis: Redis, **settings: Any) -> None:
        (folder / "mine.py").write_text(APP)
        self._file = folder / "events"
        self._file.touch()
        where = {"app": "mine:app", "PYTHONPATH": f"{folder}:{ROOT}", "EVENTS": self._file}
        self._running = ExitStack()
        self.hosts = [self._running.enter_context(host(redis.url, **where, **settings)) for _ in range(2)]
        for server in self.hosts:
            connected(server)

    def stop(self) -> None:
        self._running.close()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    @property
    def ended(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("reason")]

    @property
    def started(self) -> list[dict[str, Any]]:
        return [event for event in self.events if "reason" in event and not event["reason"]]

    def meet(self, user: str, peer: str, *hosts: int) -> tuple[Client, Client]:
        one, other = (Client(self.hosts[number]) for number in hosts)
        one.join(user, peer)
        other.join(peer, user)
        talk_after_ready(one, other)
        return one, other


def talk_after_ready(one: Client, other: Client) -> None:
    assert [one.receive()["type"], one.receive()["type"]] == ["ready", "roomInfo"]
    talk(one, other)


@pytest.fixture
def redis_of_one_test() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, redis_of_one_test: Redis) -> Iterator[App]:
    made = App(tmp_path, redis_of_one_test, SIGNALING_CALL_GRACE=1)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app for those tests that leave it as they found it, but for what it wrote.

    With a Redis of its own: in that of other tests, their last calls go on for the grace.
    """
    with redis_server() as redis:
        made = App(tmp_path_factory.mktemp("shared"), redis, SIGNALING_CALL_GRACE=1)
        yield made
        made.stop()


@pytest.fixture
def patient(tmp_path: Path, redis_of_one_test: Redis) -> Iterator[App]:
    """The app with a grace that no test outlasts."""
    made = App(tmp_path, redis_of_one_test, SIGNALING_CALL_GRACE=3_600)
    yield made
    made.stop()


def test_each_event_is_told_by_one_worker_only(shared: App):
    alice, bob = shared.meet("alice", "bob", 0, 1)
    [call_id] = shared.hosts[0].get("/calls")["calls"]
    assert shared.hosts[1].get("/calls") == {"calls": [call_id], "partial": False}
    bob.close()
    alice.close()
    wait_until(lambda: shared.ended)
    waiting, met, started, ended = shared.events
    assert waiting == {"user": "alice", "peer": "bob"}
    assert met == {"user": "alice", "peer": "bob", "outcome": "met"}
    assert (started["id"], started["users"]) == (call_id, ["alice", "bob"])
    assert (ended["id"], ended["reason"]) == (call_id, "left")


@pytest.mark.parametrize("places", rest_long([((0, 1),), ((0, 0),)]), ids=["one at the worker", "both at the worker"])
def test_a_worker_that_is_killed_in_mid_call_gives_one_end(app: App, places: tuple[int, int]):
    clients = app.meet("alice", "bob", *places)
    app.hosts[0].signal(signal.SIGKILL)
    for client in clients:
        client.vanish()
    wait_until(lambda: app.ended)
    with Client(app.hosts[1]) as carol:
        # Another call from its start to its end, so that a second end of the first one would have come.
        carol.join("carol", "dan")
        with Client(app.hosts[1]) as dan:
            dan.join("dan", "carol")
    wait_until(lambda: len(app.ended) >= 2)
    assert len(app.started) == len(app.ended) == 2
    assert [event["reason"] for event in app.ended] == ["lost", "left"]
    assert app.ended[0]["duration"] >= 0


def test_a_user_of_a_killed_worker_continues_the_call_at_another_one(patient: App):
    alice, bob = patient.meet("alice", "bob", 0, 1)
    patient.hosts[0].signal(signal.SIGKILL)
    alice.vanish()
    with Client(patient.hosts[1]) as again:
        again.join("alice", "bob")
        wait_until(lambda: bob.receive()["type"] == "ready")
        assert patient.hosts[1].get("/calls")["calls"] == [patient.started[0]["id"]]
        again.close()
    bob.close()
    wait_until(lambda: patient.ended)
    assert len(patient.started) == len(patient.ended) == 1


def test_a_deploy_that_moves_both_users_continues_the_call(patient: App):
    alice, bob = patient.meet("alice", "bob", 0, 0)
    patient.hosts[0].signal(signal.SIGTERM)
    assert {alice.closed()[0], bob.closed()[0]} == {1012}
    with Client(patient.hosts[1]) as alice, Client(patient.hosts[1]) as bob:
        alice.join("alice", "bob")
        bob.join("bob", "alice")
        assert patient.hosts[1].get("/calls")["calls"] == [patient.started[0]["id"]]
    wait_until(lambda: patient.ended)
    assert len(patient.started) == len(patient.ended) == 1


@pytest.mark.parametrize("places", rest_long([((0, 1),), ((0, 0),)]), ids=["two workers", "one worker"])
def test_who_hangs_up_while_redis_is_away_gives_one_end_once_it_is_back_empty(
    patient: App, redis_of_one_test: Redis, places: tuple[int, int]
):
    alice, bob = patient.meet("alice", "bob", *places)
    carol, dan = patient.meet("carol", "dan", *places)
    before = [len(server.log) for server in patient.hosts]
    redis_of_one_test.end()
    for server, since in zip(patient.hosts, before, strict=True):
        server.wait_for_log("Redis cannot be used", since)
    assert patient.hosts[0].get("/calls")["partial"] is True
    alice.close()
    bob.close()
    before = [len(server.log) for server in patient.hosts]
    redis_of_one_test.start()
    for server, since in zip(patient.hosts, before, strict=True):
        connected(server, since)
    wait_until(lambda: patient.ended)
    assert [(event["users"], event["reason"]) for event in patient.ended] == [(["alice", "bob"], "left")]
    carol.close()
    dan.close()
    wait_until(lambda: len(patient.ended) == 2)
    assert len({event["id"] for event in patient.ended}) == len(patient.started) == 2


def test_a_user_is_disconnected_from_all_hosts_and_barred_at_all(shared: App):
    alice, bob = shared.meet("unwanted", "bob", 0, 1)
    assert shared.hosts[1].get("/disconnect/unwanted") == {"closed": 1}
    assert alice.closed()[0] == 4004
    assert bob.receive()["reason"] == "left"
    for server in shared.hosts:
        with Client(server) as again:
            again.send(type="join", userId="unwanted", remoteId="bob")
            assert again.receive()["code"] == "unauthorized"
            assert again.closed()[0] == 4003
    bob.close()
