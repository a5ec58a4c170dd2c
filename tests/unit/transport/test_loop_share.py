"""Newcomers share each tick of the event loop, and none of them waits for ever."""

from __future__ import annotations

import random
import time
from functools import partial

import gevent
import gevent.socket
import pytest

from signaling.transport import loop_share
from signaling.transport.connection import Connection
from signaling.transport.loop_share import SHARE_SECONDS, LoopShare
from tests.unit.transport.test_receiver import frame
from tests.waiting import TIMEOUT


@pytest.mark.parametrize("seed", range(5))
def test_everybody_gets_on(seed: int):
    """Greedy ones never give way but here; some are killed while they wait."""
    choices = random.Random(seed)
    share = LoopShare(gevent.get_hub().loop)
    steps: dict[int, int] = {}

    def work(number: int, count: int) -> None:
        for _ in range(count):
            share.acquire()
            steps[number] = steps.get(number, 0) + 1
            began = time.monotonic()
            while time.monotonic() - began < SHARE_SECONDS / 4:
                pass

    with gevent.Timeout(TIMEOUT):
        workers = [gevent.spawn(work, number, 10) for number in range(20)]
        killed = choices.sample(range(20), 6)
        for number in killed:
            gevent.sleep(0)
            workers[number].kill(block=False)
        late = gevent.spawn(work, 20, 10)
        gevent.joinall([*workers, late])
        assert all(steps[number] == 10 for number in range(21) if number not in killed)
        # It is as good as new.
        work(21, 30)
    assert steps[21] == 30


def test_those_who_are_in_go_on_meanwhile():
    share = LoopShare(gevent.get_hub().loop)
    turns = 0

    def greedy() -> None:
        while True:
            share.acquire()
            began = time.monotonic()
            while time.monotonic() - began < SHARE_SECONDS / 4:
                pass

    def called() -> None:
        nonlocal turns
        while turns < 100:
            gevent.sleep(0.0001)
            turns += 1

    with gevent.Timeout(TIMEOUT):
        newcomers = [gevent.spawn(greedy) for _ in range(50)]
        gevent.spawn(called).join()
        gevent.killall(newcomers)
    assert turns == 100


def test_a_message_of_a_call_waits_for_no_newcomer_once_it_was_read(monkeypatch: pytest.MonkeyPatch):
    """Each step of a newcomer lasts for a whole share, and the message comes during one of them."""
    monkeypatch.setattr(loop_share, "SHARE_SECONDS", -1.0)
    share = LoopShare.of(gevent.get_hub())
    steps = 0
    sent: list[int] = []
    handled: list[int] = []
    ours, theirs = gevent.socket.socketpair()
    connection = Connection(ours, close_timeout=0.1)
    connection.on_message = lambda _: handled.append(steps) is None

    def newcomer() -> None:
        nonlocal steps
        for _ in range(10):
            share.acquire()
            steps += 1
            if len(sent) == len(handled):
                sent.append(steps)
                theirs.send(frame(0x81, b"a message"))

    with gevent.Timeout(TIMEOUT):
        connection.start()
        gevent.joinall([gevent.spawn(newcomer) for _ in range(5)])
        gevent.idle()
        connection.wait_closed()
    ours.close()
    theirs.close()
    assert len(sent) > 10
    assert handled == sent


def test_there_is_one_share_for_each_look_at_the_sockets(monkeypatch: pytest.MonkeyPatch):
    """Also if so much else is to be done that the loop looks at its sockets before the share begins."""
    monkeypatch.setattr(loop_share, "SHARE_SECONDS", -1.0)
    hub = gevent.get_hub()
    share = LoopShare.of(hub)
    looks = hub.loop.check()
    seen: list[str] = []

    def newcomer() -> None:
        for _ in range(5):
            share.acquire()
            seen.append("step")
            # gevent looks at the clock after each 50 callbacks. It stops after 5 ms.
            for _ in range(60):
                hub.loop.run_callback(busy)

    def busy() -> None:
        began = time.monotonic()
        while time.monotonic() - began < 0.0002:
            pass

    looks.start(lambda: seen.append("look"))
    with gevent.Timeout(TIMEOUT):
        gevent.joinall([gevent.spawn(newcomer) for _ in range(3)])
    looks.close()
    # The first step is taken at once, since nobody else is there.
    assert "step step" not in " ".join(seen[1:])


@pytest.mark.parametrize("goes", [False, True], ids=["joins", "goes"])
def test_whoever_joins_or_goes_takes_a_part_of_the_share(monkeypatch: pytest.MonkeyPatch, goes: bool):
    """A crowd that does so must not take a whole tick of the loop."""
    monkeypatch.setattr(loop_share, "SHARE_SECONDS", -1.0)
    hub = gevent.get_hub()
    looks = hub.loop.check()
    seen: list[str] = []
    pairs = [gevent.socket.socketpair() for _ in range(5)]
    connections = [Connection(ours, close_timeout=0.1) for ours, _ in pairs]

    def serve(connection: Connection) -> None:
        connection.next_message()
        seen.append("step")

    with gevent.Timeout(TIMEOUT):
        for connection, (_, theirs) in zip(connections, pairs, strict=True):
            connection.on_work = partial(serve, connection)
            connection.start()
            if goes:
                theirs.close()
            else:
                theirs.send(frame(0x81, b"join"))
        looks.start(lambda: seen.append("look"))
        while seen.count("step") < len(pairs):
            gevent.sleep(0.001)
        looks.close()
        steps = " ".join(seen)
        for connection, (ours, theirs) in zip(connections, pairs, strict=True):
            theirs.close()
            connection.wait_closed()
            ours.close()
    # The first one goes on at once, since nobody else is there.
    assert "step step step" not in steps
