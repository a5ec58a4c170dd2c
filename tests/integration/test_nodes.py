"""Two workers that share their rooms: each tells the figures of both."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from signaling.node.cluster import SURVEY_TIMEOUT
from signaling.version import __version__
from tests.driver import Client, Server
from tests.integration.test_http import ask
from tests.redis_server import Redis, redis_server
from tests.waiting import TIMEOUT, wait_until

TOKEN = "secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
T = TypeVar("T")


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


def worker(redis: Redis, certificate: Path, **settings: Any) -> Server:
    return Server(
        certificate,
        SIGNALING_REDIS_URL=redis.url,
        WEB_CONCURRENCY=1,
        SIGNALING_OPS_TOKEN=TOKEN,
        SIGNALING_METRICS_TOKEN=TOKEN,
        SIGNALING_RELEASE="blue",
        **settings,
    )


@pytest.fixture(scope="module")
def both(redis: Redis, certificate: Path) -> Iterator[tuple[Server, Server]]:
    with worker(redis, certificate) as one, worker(redis, certificate) as other:
        for server in (one, other):
            wait_until(lambda server=server: len(server.health()["nodes"]) == 2)
        yield one, other


def name(server: Server) -> str:
    return f"{socket.gethostname()}:{server.worker}"


def get(server: Server, path: str) -> Any:
    response, body = ask(server, path, BEARER)
    assert response.status == 200
    return json.loads(body)


def health_of(server: Server) -> dict[str, Any]:
    """The health as an operator gets it."""
    return dict(get(server, "/healthz"))


def scrape(server: Server, **headers: str) -> dict[str, float]:
    response, page = ask(server, "/metrics", BEARER | headers)
    assert response.status == 200
    return {
        s.name + "".join(f"{{{s.labels[label]}}}" for label in sorted(s.labels, key="node".__ne__)): s.value
        for family in text_string_to_metric_families(page)
        for s in family.samples
    }


def meet_apart(one: Server, other: Server, first: str = "alice", second: str = "bob") -> tuple[Client, Client]:
    """Two clients in one room, one at each server, with nothing left to receive."""
    alice, bob = Client(one), Client(other)
    alice.join(first, second)
    bob.join(second, first)
    assert [alice.receive()["type"], alice.receive()["type"]] == ["ready", "roomInfo"]
    return alice, bob


@contextmanager
def held(server: Server) -> Iterator[None]:
    """Its worker stands still meanwhile."""
    os.kill(server.worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.worker, signal.SIGCONT)


def test_the_health_of_each_is_that_of_all(both: tuple[Server, Server]):
    one, _ = both
    alice, bob = meet_apart(*both)
    with alice, bob:
        for server in both:
            health = wait_until(lambda server=server: (h := server.health())["connections"] == 2 and h)
            assert (health["status"], health["redis"], health["rooms"], health["node"]) == ("ok", "up", 1, name(server))
            assert [node["node"] for node in health["nodes"]] == sorted(map(name, both))
            assert [node["connections"] for node in health["nodes"]] == [1, 1]
            assert {key for node in health["nodes"] for key in node} == {
                *("node", "uptime", "draining", "connections", "rooms")
            }
            for_operators = {"version": __version__, "release": "blue", "settings": health_of(one)["settings"]}
            assert len(for_operators["settings"]) == 16
            for node in health_of(server)["nodes"]:
                assert for_operators.items() <= node.items()


def test_any_of_them_has_the_metrics_of_all(both: tuple[Server, Server]):
    one, other = both
    alice, bob = meet_apart(one, other)
    with alice, bob:
        for server in both:
            page = scrape(server)
            for node in map(name, both):
                assert page[f"signaling_connections{{{node}}}"] == 1
                assert page[f"signaling_node_up{{{node}}}"] == 1
                assert page[f"signaling_nodes{{{node}}}"] == 2
                assert page[f"signaling_redis_up{{{node}}}"] == 1
                assert f"process_open_fds{{{node}}}" in page
            # Of what is one thing of both, each has a part.
            assert sum(page[f"signaling_rooms{{{node}}}"] for node in map(name, both)) == 1
            assert page[f"signaling_calls{{{name(other)}}}{{negotiating}}"] == 1
            assert page[f"signaling_calls{{{name(one)}}}{{negotiating}}"] == 0


def test_openmetrics_has_each_metric_once(both: tuple[Server, Server]):
    response, page = ask(both[0], "/metrics", BEARER | {"Accept": "application/openmetrics-text;version=1.0.0"})
    assert response.getheader("Content-Type").startswith("application/openmetrics-text")
    types = re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)
    assert len(types) == len(set(types))
    assert page.endswith("# EOF\n")


def test_the_page_sums_what_the_nodes_have(both: tuple[Server, Server]):
    one, other = both
    alice, bob = meet_apart(one, other)
    with alice, bob:
        for server in both:
            state = get(server, "/ops/state.json")
            assert (state["connections"], state["maxConnections"], state["redis"]) == (2, 20_000, "up")
            assert state["calls"] == {"waiting": 0, "negotiating": 1, "settled": 0}
            assert state["history"][-1][1:3] == [2, 1]
            assert [(node["node"], node["connections"], node["missing"]) for node in state["nodes"]] == [
                (node, 1, False) for node in sorted(map(name, both))
            ]


def test_a_call_between_two_workers_is_one_call(both: tuple[Server, Server]):
    one, other = both
    alice, bob = meet_apart(one, other, "ann", "ben")
    with alice, bob:
        for here, there, kind in ((alice, bob, "offer"), (bob, alice, "answer")):
            here.send(type="message", data={"type": kind, "sdp": "v=0"})
            there.receive()
            here.send(type="candidate", candidate={"candidate": "candidate:1 1 udp 1 192.0.2.1 5 typ relay"})
            there.receive()
        seen = []
        for server in both:
            [call] = get(server, "/ops/calls.json?user=ANN")["open"]
            assert (call["state"], call["present"]) == ("settled", [True, True])
            assert 0 < call["answeredIn"] < TIMEOUT
            assert call["diagnosis"].startswith("Answered after")
            assert call["nodes"] == [name(one), name(other)]
            assert [(call["users"][step["user"]], step["what"]) for step in call["steps"]] == [
                ("ann", "created"),
                ("ben", "joined"),
                ("ann", "ready"),
                ("ann", "offer"),
                ("ann", "candidates"),
                ("ben", "answer"),
                ("ben", "candidates"),
            ]
            seen.append(call["number"])
        assert seen[0] == seen[1]
        assert get(one, "/ops/state.json")["calls"] == {"waiting": 0, "negotiating": 0, "settled": 1}
    [over] = wait_until(lambda: get(one, "/ops/calls.json?user=ann")["recent"])
    assert (over["state"], over["number"]) == ("over", seen[0])
    assert [step["what"] for step in over["steps"][-2:]] == ["left", "left"]


def test_who_does_not_answer_is_named_and_nobody_waits_longer(both: tuple[Server, Server]):
    one, other = both
    with held(other):
        begin = time.monotonic()
        state = get(one, "/ops/state.json")
        took = time.monotonic() - begin
        assert SURVEY_TIMEOUT <= took < TIMEOUT
        missing = {node["node"]: node["missing"] for node in state["nodes"]}
        assert (missing[name(one)], missing[name(other)]) == (False, True)
        assert name(other) in get(one, "/ops/calls.json")["missing"]
        page = scrape(one)
        assert (page[f"signaling_node_up{{{name(one)}}}"], page[f"signaling_node_up{{{name(other)}}}"]) == (1, 0)
        assert f"signaling_connections{{{name(other)}}}" not in page
    wait_until(lambda: scrape(one).get(f"signaling_node_up{{{name(other)}}}") == 1)


def test_while_redis_is_down_each_tells_of_itself_and_wants_nobody(certificate: Path):
    with redis_server() as redis, worker(redis, certificate) as one, worker(redis, certificate):
        wait_until(lambda: len(one.health()["nodes"]) == 2)
        with Client(one) as alice:
            alice.join("alice", "bob")
            redis.end()
            one.wait_for_log("Redis cannot be used")
            response, body = ask(one, "/healthz")
            health = json.loads(body)
            assert (response.status, health["status"], health["redis"]) == (503, "unavailable", "down")
            assert (health["connections"], health["rooms"]) == (1, 1)
            assert [node["node"] for node in health["nodes"]] == [name(one)]
            page = scrape(one)
            assert page[f"signaling_redis_up{{{name(one)}}}"] == 0
            assert page[f"signaling_redis_disconnects_total{{{name(one)}}}"] == 1
            assert page[f"signaling_nodes{{{name(one)}}}"] == 1
            state = get(one, "/ops/state.json")
            assert (state["redis"], [node["node"] for node in state["nodes"]]) == ("down", [name(one)])
            assert [call["users"] for call in get(one, "/ops/calls.json")["open"]] == [["alice", "bob"]]

            redis.start()
            one.wait_until_up()
            wait_until(lambda: len(one.health()["nodes"]) == 2)


@pytest.mark.long
def test_the_port_of_the_metrics_goes_from_worker_to_worker(redis: Redis, certificate: Path):
    """Who waits for it says nothing, and has it when the one before ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = f"Metrics at http://127.0.0.1:{port}/metrics"
    # Who finds the port taken by a stranger says so after five seconds and the node timeout.
    settings = {"SIGNALING_METRICS_BIND": f"127.0.0.1:{port}", "SIGNALING_NODE_TIMEOUT": 3}
    with worker(redis, certificate, **settings) as waits, worker(redis, certificate, **settings) as has:
        first, second = (waits, has) if any(line in said for said in waits.log) else (has, waits)
        first.wait_for_log(line)
        time.sleep(9)
        assert not [said for said in second.log if "No metrics" in said]
        first.stop()
        second.wait_for_log(line)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT) as response:
            assert f'node="{name(second)}"'.encode() in response.read()
