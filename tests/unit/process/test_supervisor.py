"""Loops that go on, whatever happens in them."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent.event import Event

from signaling.process import supervisor
from signaling.process.supervisor import ErrorLog, spawn_forever
from tests.waiting import TIMEOUT


class Steps:
    """Raises each of some errors in turn, and then says that it came through."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.passed = Event()

    def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.passed.set()
        gevent.sleep(TIMEOUT)


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError("x"), AttributeError("x"), MemoryError(), RecursionError(), StopIteration(), KeyError(1)],
    ids=lambda error: type(error).__name__,
)
def test_a_loop_goes_on_after_any_exception(error: Exception, caplog: pytest.LogCaptureFixture):
    steps = Steps(error, error, error)
    loop = spawn_forever("the test", steps)
    assert steps.passed.wait(TIMEOUT)
    [record] = [record for record in caplog.records if record.name == "signaling.process.supervisor"]
    assert record.message == "An error in the test, which goes on"
    assert record.exc_info
    assert record.exc_info[1] is error
    loop.kill()


def test_a_loop_goes_on_where_its_error_cannot_be_logged(monkeypatch: pytest.MonkeyPatch):
    """As with a log handler of an app that raises at every record."""

    def handle(record: logging.LogRecord) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(supervisor.log, "handle", handle)
    steps = Steps(ValueError("x"))
    loop = spawn_forever("the test", steps)
    gevent.wait([steps.passed, loop], TIMEOUT, count=1)
    assert steps.passed.is_set()
    loop.kill()


def test_a_timeout_of_gevent_that_nobody_caught_does_not_end_it():
    steps = Steps(gevent.Timeout(1))
    loop = spawn_forever("the test", steps)
    assert steps.passed.wait(TIMEOUT)
    loop.kill()


def test_who_ends_the_greenlet_ends_the_loop():
    steps = Steps()
    loop = spawn_forever("the test", steps)
    assert steps.passed.wait(TIMEOUT)
    loop.kill(timeout=TIMEOUT)
    assert loop.dead


def test_a_loop_that_always_fails_does_not_keep_others_from_running(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    sleep = gevent.sleep

    def note(seconds: float) -> None:
        # What other tests left behind sleeps as well.
        if gevent.getcurrent() is loop:
            pauses.append(seconds)
        sleep(0)

    monkeypatch.setattr(supervisor.gevent, "sleep", note)
    loop = spawn_forever("the test", Steps(*(ValueError(str(number)) for number in range(100))), max_pause=3.0)
    while len(pauses) < 100:
        sleep(0)
    loop.kill()
    pauses = pauses[:100]
    assert all(pause > 0 for pause in pauses)
    assert max(pauses) <= 3.0
    assert min(pauses[10:]) >= 1.5, "the pause grows to its limit and stays there"


def test_each_type_of_error_is_logged_once_in_its_time_and_the_others_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    now = 0.0
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now)
    errors = ErrorLog("the test")
    with caplog.at_level(logging.ERROR, "signaling.process.supervisor"):
        for _ in range(1_000):
            errors.add(ValueError("x"))
            errors.add(OSError("y"))
        assert len(caplog.records) == 2
        now = supervisor.LOG_INTERVAL
        errors.add(ValueError("x"))
    assert caplog.records[-1].message == "An error in the test, which goes on (999 more since the last entry)"
