"""What is said between two hosts while Redis or a connection to it fails: nothing is lost in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.driver import Client, Server
from tests.long import rest_long
from tests.redis.cable import Cable
from tests.redis.conftest import connected, host
from tests.redis.people import in_redis, indexed, meet_across
from tests.redis_server import Redis, redis_server
from tests.waiting import wait_until

MESSAGES = 1_000

BUSY = """
local begin = redis.call('TIME')
local now = begin
while now[1] * 1000 + now[2] / 1000 < begin[1] * 1000 + begin[2] / 1000 + ARGV[1] do now = redis.call('TIME') end
"""


class Rig:
    """Two hosts, and a Redis that can be made to fail."""

    def __init__(self, stack: ExitStack) -> None:
        self.redis: Redis = stack.enter_context(redis_server())
        self.cable: Cable = stack.enter_context(Cable(self.redis.port))
        urls = (self.redis.url, self.cable.url)
        settings = {"SIGNALING_MESSAGE_RATE": 1_000, "SIGNALING_MESSAGE_BURST": 10_000}
        self.hosts: list[Server] = [stack.enter_context(host(url, **settings)) for url in urls]
        for server in self.hosts:
            connected(server)

    def ends(self) -> list[str]:
        """The ids of the connections of both hosts, as Redis has them."""
        listed = self.redis.ask("CLIENT", "LIST")
        assert isinstance(listed, bytes)
        lines = [line for line in listed.decode().splitlines() if " name=webrtc-signaling " in line]
        return [line.split()[0].removeprefix("id=") for line in lines]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack)


def stands_still(rig: Rig) -> None:
    rig.redis.hold()
    threading.Event().wait(3)
    rig.redis.go_on()


def is_busy(rig: Rig) -> None:
    rig.redis.ask("EVAL", BUSY, "0", "4000")


def parts_with_one(rig: Rig) -> None:
    rig.redis.ask("CLIENT", "KILL", "ID", rig.ends()[0])


def parts_with_both(rig: Rig) -> None:
    for id_ in rig.ends():
        rig.redis.ask("CLIENT", "KILL", "ID", id_)


def ends_and_comes_back(rig: Rig) -> None:
    rig.redis.end()
    rig.redis.start()


def forgets_all(rig: Rig) -> None:
    rig.redis.ask("FLUSHALL")


def forgets_the_scripts(rig: Rig) -> None:
    rig.redis.ask("SCRIPT", "FLUSH")


def is_cut_off(rig: Rig) -> None:
    rig.cable.pull()
    threading.Event().wait(3)
    rig.cable.plug()


FAILURES = [
    ends_and_comes_back,
    is_cut_off,
    stands_still,
    is_busy,
    parts_with_one,
    parts_with_both,
    forgets_all,
    forgets_the_scripts,
]


class Talk:
    """One end of a call that says numbers, and takes down what it hears."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[dict[str, Any]] = []
        # How many replies had come when each number was said.
        self.said: list[int] = []

    def says(self) -> None:
        self.client.send(type="message", data=len(self.said))
        self.said.append(len(self.heard))

    def hears(self) -> None:
        """Take what has come by now."""
        self.client.send(type="ping", id="by now")
        while (reply := self.client.receive())["type"] != "pong":
            self.heard.append(reply)

    def numbers(self) -> list[int]:
        return [reply["data"] for reply in self.heard if reply["type"] == "message" and reply["data"] != "end"]

    def check(self, listener: Talk) -> None:
        """Each number came, in order, or there was an error, or a later ``ready``."""
        came = listener.numbers()
        assert came == sorted(set(came)), "in order, and none twice"
        lost = set(range(len(self.said))) - set(came)
        errors = sum(reply.get("code") == "unavailable" for reply in self.heard)
        ready = [at for at, reply in enumerate(self.heard) if reply["type"] == "ready"]
        since = [number for number in lost if not ready or self.said[number] > ready[-1]]
        assert len(since) <= errors, f"{len(lost)} lost, {errors} errors, ready at {ready}"
        assert {reply["type"] for reply in self.heard} <= {"message", "error", "ready", "roomInfo"}, "nobody left"


@pytest.mark.parametrize("fails", rest_long(FAILURES, quick=2), ids=lambda fails: fails.__name__)
def test_what_is_said_while_redis_fails_is_heard_or_the_speaker_is_told(rig: Rig, fails: Callable[[Rig], None]):
    name = fails.__name__
    ends = [Talk(client) for client in meet_across(*rig.hosts, f"{name}-alice", f"{name}-bob")]
    broken = threading.Thread(target=fails, args=(rig,))
    for number in range(MESSAGES):
        if number == MESSAGES // 4:
            broken.start()
        for end in ends:
            end.says()
        # About four seconds of talk, so that it is under way before, while and after.
        if number % 10 == 0:
            for end in ends:
                end.hears()
            threading.Event().wait(0.04)
    broken.join()
    wait_until(lambda: all(server.health()["redis"] == "up" for server in rig.hosts))

    def both_hear() -> bool:
        for end in ends:
            end.client.send(type="message", data="end")
            end.hears()
        return all({"type": "message", "data": "end"}.items() <= end.heard[-1].items() for end in ends)

    wait_until(both_hear)
    ends[0].check(ends[1])
    ends[1].check(ends[0])
    for end in ends:
        end.client.close()
    wait_until(lambda: in_redis(rig.redis) == {} and indexed(rig.redis) == set())
