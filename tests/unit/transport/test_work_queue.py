"""All work is done, in order and once, whatever waits or fails; and an app's work leaves nothing behind."""

from __future__ import annotations

import contextvars
import gc
import weakref
from functools import partial

import gevent
import gevent.event
import pytest
from greenlet import getcurrent

from signaling.transport.work_queue import MAX_IDLE, WorkQueue


@pytest.mark.parametrize("isolated", [False, True])
def test_work_is_done_in_order(isolated: bool):
    queue, done = WorkQueue(isolated=isolated), []
    for number in range(200):
        queue.put(partial(done.append, number))
    assert done == []
    gevent.idle()
    assert done == [*range(200)]


@pytest.mark.parametrize("isolated", [False, True])
def test_work_that_waits_holds_up_no_other(isolated: bool):
    queue, done = WorkQueue(isolated=isolated), []
    release = gevent.event.Event()

    def wait(number: int) -> None:
        release.wait()
        done.append(-number)

    for number in range(1, 31):
        queue.put(partial(wait, number))
        queue.put(partial(done.append, number))
    gevent.idle()
    assert done == [*range(1, 31)]
    release.set()
    gevent.idle()
    assert sorted(done[30:], reverse=True) == [-number for number in range(1, 31)]
    assert len(queue._idle) == (0 if isolated else MAX_IDLE)


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError, gevent.Timeout, gevent.GreenletExit])
def test_work_that_fails_is_not_the_others_affair(isolated: bool, error: type[BaseException], capsys):
    queue, done = WorkQueue(isolated=isolated), []

    def fail() -> None:
        raise error

    for number in range(10):
        queue.put(fail)
        queue.put(partial(done.append, number))
    gevent.idle()
    assert done == [*range(10)]
    capsys.readouterr()


def test_an_idle_greenlet_that_is_killed_gets_no_more_work():
    queue, done = WorkQueue(), []
    queue.put(lambda: done.append(getcurrent()))
    gevent.idle()
    gevent.kill(done[0])
    queue.put(lambda: done.append(getcurrent()))
    gevent.idle()
    assert len(done) == 2
    assert done[0] is not done[1]


def test_a_few_greenlets_do_all_the_work():
    queue, workers = WorkQueue(), set()
    for _ in range(50):
        queue.put(lambda: workers.add(getcurrent()))
        gevent.idle()
    assert len(workers) == 1


def test_work_of_an_app_has_a_greenlet_and_a_context_of_its_own():
    queue, seen = WorkQueue(isolated=True), []
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    def work() -> None:
        seen.append((getcurrent(), user.get()))
        user.set("somebody")

    for _ in range(3):
        queue.put(work)
        queue.put(work)
        gevent.idle()
    assert len({greenlet for greenlet, _ in seen}) == 6
    assert {name for _, name in seen} == {"nobody"}


def test_nothing_is_kept_of_work_that_is_done():
    class Work:
        def __call__(self) -> None: ...

    queue, work = WorkQueue(), Work()
    gone = weakref.ref(work)
    queue.put(work)
    gc.disable()
    try:
        del work
        gevent.idle()
        assert gone() is None
    finally:
        gc.enable()
