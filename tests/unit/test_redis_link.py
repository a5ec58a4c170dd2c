"""A link to Redis, whose other end is the test's."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from signaling.redis_link import Link, LinkError

PATIENCE = 0.2


@pytest.fixture
def ends() -> Iterator[tuple[Link, gevent.socket.socket]]:
    near, far = gevent.socket.socketpair()
    link = Link(near)
    yield link, far
    link.end("the test is over")
    far.close()


def test_an_answer_that_came_in_time_is_taken_after_this_process_stood_still(ends):
    link, redis = ends
    asking = gevent.spawn(link.ask, "PING", seconds=PATIENCE)
    assert redis.recv(100)
    redis.send(b"+PONG\r\n")
    time.sleep(2 * PATIENCE)  # the event loop does not turn: now both are due, and the timer comes first
    assert asking.get() == b"PONG"
    assert not link.broken


def test_a_server_that_does_not_answer_breaks_the_link(ends):
    link, _ = ends
    with pytest.raises(LinkError, match=r"^no answer within 0\.2 seconds$"):
        link.ask("PING", seconds=PATIENCE)
    assert link.broken


def test_a_subscription_that_is_refused_breaks_the_link(ends):
    link, redis = ends
    link.push("SUBSCRIBE", "forbidden")
    assert redis.recv(100)
    redis.send(b"-NOPERM no channel\r\n")
    gevent.sleep(0.05)
    assert link.broken == "NOPERM no channel"
