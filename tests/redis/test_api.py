"""The HTTP API of two hosts that share their rooms: either one answers for both, and says what it does not know."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.driver import Client, Server
from tests.redis.conftest import connected, host
from tests.redis.people import meet_across, talk
from tests.redis_server import Redis, redis_server
from tests.waiting import TIMEOUT

TOKEN = "the token of the API"


def ask(server: Server, method: str, path: str) -> tuple[int, Any]:
    """Return the status and the JSON of an answer."""
    asking = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {TOKEN}"}, method=method)
    try:
        with urllib.request.urlopen(asking, timeout=TIMEOUT) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            answer = json.load(error)
            # Every error has the form of a problem.
            return answer["status"], answer


def get(server: Server, path: str) -> Any:
    status, answer = ask(server, "GET", path)
    assert status == 200
    return answer


@contextmanager
def two_hosts(redis: Redis, **settings: Any) -> Iterator[tuple[Server, Server]]:
    with (
        host(redis.url, SIGNALING_API_TOKEN=TOKEN, **settings) as one,
        host(redis.url, SIGNALING_API_TOKEN=TOKEN, **settings) as other,
    ):
        connected(one), connected(other)
        yield one, other


@pytest.fixture(scope="module")
def both(redis: Redis) -> Iterator[tuple[Server, Server]]:
    with two_hosts(redis) as hosts:
        yield hosts


def test_either_host_lists_and_ends_a_call_of_both(both: tuple[Server, Server]):
    one, other = both
    alice, bob = meet_across(one, other, "alice", "bob")
    with alice, bob:
        [call] = get(one, "/api/calls?user=alice")["calls"]
        assert call["users"] == ["alice", "bob"]
        assert get(other, f"/api/calls/{call['id']}") == call
        assert ask(one, "DELETE", f"/api/calls/{call['id']}?reason=The%20hour%20is%20over") == (
            200,
            {"closed": 2, "missing": []},
        )
        for client in (alice, bob):
            # The end of the other one's connection may be heard first.
            while (reply := client.receive())["type"] != "error":
                assert reply["type"] in ("bye", "roomInfo")
            assert reply["message"] == "The hour is over"
            assert client.closed()[0] == 4004
    assert ask(other, "GET", f"/api/calls/{call['id']}")[0] == 404


def test_the_connections_of_a_user_count_at_both_hosts_whatever_their_id_is(both: tuple[Server, Server]):
    one, other = both
    user, path = "a/b//ü?#%", "/api/users/a%2Fb%2F%2F%C3%BC%3F%23%25"
    with Client(one) as here, Client(other) as there, Client(other) as again:
        here.join(user, "x")
        there.join(user, "y")
        found = get(one, path)
        assert (found["id"], found["connections"], found["missing"], found["partial"]) == (user, 2, [], False)
        assert sorted(wait["peer"] for wait in found["waiting"]) == ["x", "y"]
        assert ask(other, "DELETE", f"{path}/connections?bar=3600") == (200, {"closed": 2, "missing": []})
        assert here.receive()["code"] == there.receive()["code"] == "ended"
        assert here.closed()[0] == there.closed()[0] == 4004
        again.send(type="join", userId=user, remoteId="x")
        assert again.receive()["code"] == "unauthorized"
        assert get(one, path)["waiting"] == []


def test_a_node_that_does_not_answer_is_named():
    # The node stays among the live ones for long, so that it is asked however slow this machine is. The Redis is its
    # own: nodes with a shorter timeout would evict it.
    slow = {"SIGNALING_NODE_TIMEOUT": 600, "SIGNALING_REDIS_TIMEOUT": 60}
    with (
        redis_server() as redis,
        two_hosts(redis, **slow) as (one, other),
        Client(one) as here,
        Client(other) as there,
    ):
        here.join("zoe", "x")
        there.join("zoe", "y")
        name = other.health()["node"]
        os.kill(other.worker, signal.SIGSTOP)
        try:
            found = get(one, "/api/users/zoe")
            assert (found["connections"], found["missing"]) == (1, [name])
            assert ask(one, "DELETE", "/api/users/zoe/connections") == (200, {"closed": 1, "missing": [name]})
        finally:
            os.kill(other.worker, signal.SIGCONT)


def test_without_redis_lists_are_partial_and_commands_are_refused():
    with redis_server() as redis, two_hosts(redis) as (one, other):  # noqa: SIM117 - three lines for two
        with Client(one) as alice, Client(one) as bob, Client(other) as carol:
            alice.join("alice", "bob")
            bob.join("bob", "alice")
            assert [alice.receive()["type"], alice.receive()["type"]] == ["ready", "roomInfo"]
            carol.join("carol", "dave")
            [call] = get(other, "/api/calls")["calls"]
            since = len(one.log)
            redis.end()
            one.wait_for_log("Redis cannot be used", since)
            assert get(one, "/api/calls") == {"calls": [call], "partial": True}
            assert get(one, "/api/waiting") == {"waiting": [], "partial": True}
            found = get(one, "/api/users/alice")
            assert (found["connections"], found["calls"], found["partial"]) == (1, [call], True)
            assert get(one, f"/api/calls/{call['id']}") == call
            assert ask(one, "GET", "/api/calls/unknown")[0] == 503
            for path in (f"/api/calls/{call['id']}", "/api/users/carol/connections"):
                status, problem = ask(one, "DELETE", path)
                assert (status, problem["title"]) == (503, "Service Unavailable")
                assert problem["detail"].startswith("Redis cannot be reached")
            talk(alice, bob)
