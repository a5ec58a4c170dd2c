"""Newcomers share each turn of the event loop, and none of them waits for ever."""

from __future__ import annotations

import random
import time

import gevent
import pytest

from signaling.transport.loop_share import SHARE_SECONDS, LoopShare
from tests.waiting import TIMEOUT


@pytest.mark.parametrize("seed", range(5))
def test_everybody_gets_on(seed: int):
    """Greedy ones never give way but here; some are killed while they wait."""
    choices = random.Random(seed)
    share = LoopShare()
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
    share = LoopShare()
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
