"""A link to Redis, whose other end is the test's."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from signaling.rooms.redis.connection import RedisConnection, RedisConnectionError
from tests.unit.people import until
from tests.waiting import TIMEOUT

SECONDS = 0.2


@pytest.fixture
def ends() -> Iterator[tuple[RedisConnection, gevent.socket.socket]]:
    near, far = gevent.socket.socketpair()
    link = RedisConnection(near)
    yield link, far
    link.abort("the test is over")
    far.close()


def test_an_answer_that_came_in_time_is_taken_after_this_process_stood_still(ends):
    link, redis = ends
    asking = gevent.spawn(link.execute, "PING", seconds=SECONDS)
    assert redis.recv(100)
    redis.send(b"+PONG\r\n")
    time.sleep(2 * SECONDS)  # the event loop does not turn: now both are due, and the timer comes first
    assert asking.get() == b"PONG"
    assert not link.broken


def test_a_server_that_does_not_answer_breaks_the_link(ends):
    link, _ = ends
    with pytest.raises(RedisConnectionError, match=r"^no answer within 0\.2 seconds$"):
        link.execute("PING", seconds=SECONDS)
    assert link.broken


def test_a_subscription_that_is_refused_breaks_the_link(ends):
    link, redis = ends
    link.push("SUBSCRIBE", "forbidden")
    assert redis.recv(100)
    redis.send(b"-NOPERM no channel\r\n")
    until(lambda: link.broken)
    assert link.broken == "NOPERM no channel"


@pytest.mark.parametrize("found_by", ["the greenlet that writes", "the event loop", "somebody who asks"])
def test_a_link_that_breaks_while_much_waits_to_be_sent_tells_who_waits_for_it(found_by: str):
    """Else nobody connects again, for good."""
    ours, theirs = gevent.socket.socketpair()
    told: list[str] = []
    link = RedisConnection(ours, on_close=lambda broken: told.append(broken.broken))
    answers: list[object] = []
    link.send(answers.append, "SET", "key", "x" * 900_000)
    gevent.sleep(0)
    assert link._send_buffer._writer is not None, "the socket took all of it: the test shows nothing"
    if found_by == "somebody who asks":
        link.abort("no answer")
    elif found_by == "the event loop":
        theirs.shutdown(socket.SHUT_WR)
    else:
        link._watcher.stop()
        theirs.close()
    with gevent.Timeout(TIMEOUT):
        while not told:
            gevent.sleep(0.001)
    assert len(told) == 1
    assert [str(answer) for answer in answers] == told
    assert ours.fileno() == -1
    theirs.close()


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError()])
def test_a_flush_that_fails_breaks_the_link(ends, error, monkeypatch, caplog):
    def fail(*_: object) -> bytes:
        raise error

    link, _ = ends
    told: list[object] = []
    link._on_close = told.append
    monkeypatch.setattr("signaling.rooms.redis.connection._pack", fail)
    link.publish(b"channel", b"what is lost")
    gevent.sleep(0)
    assert link.broken.startswith("internal error")
    assert told == [link]
    assert len(caplog.records) == 1
