"""Greenlets that may be used again are, up to a few, and the others end."""

from __future__ import annotations

import contextvars

import gevent
import gevent.event
import pytest
from greenlet import getcurrent, greenlet

from signaling.transport.greenlet_pool import GreenletPool
from tests.waiting import TIMEOUT

MAX_IDLE = 3


class Pool:
    """A pool, and the greenlets that ran a function in it."""

    def __init__(self) -> None:
        self.pool = GreenletPool(MAX_IDLE)
        self.ran: list[greenlet] = []
        self.release = gevent.event.Event()

    def run(self, *, waits: bool = False, may_stay: bool = True, error: BaseException | None = None) -> None:
        def function() -> bool:
            self.ran.append(getcurrent())
            if waits:
                self.release.wait(TIMEOUT)
            if error is not None:
                raise error
            return may_stay

        gevent.get_hub().loop.run_callback(self.pool.run, function)
        gevent.sleep(0)


@pytest.fixture
def pool() -> Pool:
    return Pool()


def test_one_greenlet_runs_what_does_not_wait(pool: Pool):
    for _ in range(10):
        pool.run()
    assert {*pool.ran} == {*pool.pool.idle}
    assert (len(pool.ran), len(pool.pool.idle), len(pool.pool)) == (10, 1, 0)


def test_a_function_that_waits_holds_up_no_other(pool: Pool):
    for _ in range(MAX_IDLE + 2):
        pool.run(waits=True)
    assert len({*pool.ran}) == len(pool.pool) == MAX_IDLE + 2
    pool.release.set()
    gevent.sleep(0)
    assert (len(pool.pool), len(pool.pool.idle)) == (0, MAX_IDLE)
    assert sum(not each.dead for each in pool.ran) == MAX_IDLE


def test_a_greenlet_with_leftovers_of_an_app_runs_nothing_else(pool: Pool):
    pool.run(may_stay=False)
    pool.run(may_stay=False)
    assert pool.ran[0] is not pool.ran[1]
    assert all(each.dead for each in pool.ran)
    assert (len(pool.pool), pool.pool.idle) == (0, [])


@pytest.mark.parametrize("error", [ZeroDivisionError(), gevent.Timeout(), gevent.GreenletExit()])
def test_an_error_ends_its_greenlet_and_no_other(pool: Pool, error: BaseException, capsys: pytest.CaptureFixture[str]):
    pool.run(error=error)
    pool.run()
    assert pool.ran[0].dead
    assert pool.pool.idle == pool.ran[1:]
    assert not len(pool.pool)
    assert ("ZeroDivisionError" in capsys.readouterr().err) == isinstance(error, ZeroDivisionError)


def test_whoever_wakes_a_greenlet_does_not_get_its_error(capsys: pytest.CaptureFixture[str]):
    pool, hub, woken = GreenletPool(MAX_IDLE), gevent.get_hub(), []

    def fail() -> bool:
        hub.switch()
        raise ZeroDivisionError

    def wake() -> None:
        [waiting] = pool._busy
        waiting.switch()
        woken.append(waiting)

    hub.loop.run_callback(pool.run, fail)
    gevent.sleep(0)
    hub.loop.run_callback(wake)
    gevent.sleep(0)
    assert woken[0].dead
    assert not len(pool)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_those_that_run_something_can_be_ended(pool: Pool):
    pool.run()
    pool.run(waits=True)
    pool.run(waits=True)
    pool.pool.kill()
    gevent.sleep(0)
    assert len(pool.pool) == 0
    assert all(each.dead for each in pool.ran)


def test_no_function_sees_the_context_variables_of_another(pool: Pool):
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen: list[str] = []

    def function() -> bool:
        seen.append(user.get())
        user.set("somebody")
        return True

    for _ in range(3):
        gevent.get_hub().loop.run_callback(pool.pool.run, function)
        gevent.sleep(0)
    assert len(pool.pool.idle) == 1
    assert seen == ["nobody"] * 3


def test_an_idle_greenlet_that_is_killed_runs_nothing(pool: Pool):
    pool.run()
    gevent.kill(pool.ran[0])
    gevent.sleep(0)
    assert pool.pool.idle == []
    pool.run()
    assert pool.ran[0] is not pool.ran[1]
