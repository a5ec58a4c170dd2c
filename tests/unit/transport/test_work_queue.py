"""All work is done, in order and once, whatever waits or fails; and an app's work leaves nothing behind."""

from __future__ import annotations

import contextvars
import gc
import weakref
from collections.abc import Callable
from functools import partial

import gevent
import gevent.event
import pytest
from greenlet import getcurrent

from signaling.transport.work_queue import MAX_IDLE, WorkQueue
from tests.waiting import TIMEOUT


def put(queue: WorkQueue, run: Callable[[], None]) -> None:
    queue.put(run, gevent.get_hub().loop)


def until(condition: Callable[[], object]) -> None:
    """Wait, since the share of the tick may be used up."""
    with gevent.Timeout(TIMEOUT):
        while not condition():
            gevent.sleep(0)


@pytest.mark.parametrize("isolated", [False, True])
def test_work_is_done_in_order(isolated: bool):
    queue, done = WorkQueue(isolated=isolated), []
    for number in range(200):
        put(queue, partial(done.append, number))
    assert done == []
    until(lambda: len(done) == 200)
    assert done == [*range(200)]


def test_work_of_another_thread_holds_up_no_other():
    queue, done = WorkQueue(), []
    hub = gevent.get_hub()
    hub.threadpool.apply(queue.put, (lambda: done.append(gevent.get_hub()), hub.loop))
    put(queue, lambda: done.append(gevent.get_hub()))
    until(lambda: len(done) == 2)
    assert done == [hub, hub]


@pytest.mark.parametrize("isolated", [False, True])
def test_work_that_waits_holds_up_no_other(isolated: bool):
    queue, done = WorkQueue(isolated=isolated), []
    release = gevent.event.Event()

    def wait(number: int) -> None:
        release.wait()
        done.append(-number)

    for number in range(1, 31):
        put(queue, partial(wait, number))
        put(queue, partial(done.append, number))
    until(lambda: len(done) == 30)
    assert done == [*range(1, 31)]
    release.set()
    until(lambda: len(done) == 60)
    assert sorted(done[30:], reverse=True) == [-number for number in range(1, 31)]
    until(lambda: len(queue._greenlets.idle) == (0 if isolated else MAX_IDLE))


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("error", [ZeroDivisionError, gevent.Timeout, gevent.GreenletExit])
def test_work_that_fails_is_not_the_others_affair(isolated: bool, error: type[BaseException], capsys):
    queue, done = WorkQueue(isolated=isolated), []

    def fail() -> None:
        raise error

    for number in range(10):
        put(queue, fail)
        put(queue, partial(done.append, number))
    until(lambda: len(done) == 10)
    assert done == [*range(10)]
    capsys.readouterr()


def test_an_idle_greenlet_that_is_killed_gets_no_more_work():
    queue, done = WorkQueue(), []
    put(queue, lambda: done.append(getcurrent()))
    until(lambda: len(done) == 1 and done[0] in queue._greenlets.idle)
    gevent.kill(done[0])
    put(queue, lambda: done.append(getcurrent()))
    until(lambda: len(done) == 2)
    assert done[0] is not done[1]


def test_a_few_greenlets_do_all_the_work():
    queue, workers = WorkQueue(), []
    for number in range(50):
        put(queue, lambda: workers.append(getcurrent()))
        until(lambda number=number: len(workers) > number and queue._greenlets.idle)
    assert len({*workers}) <= MAX_IDLE


def test_work_of_an_app_has_a_greenlet_and_a_context_of_its_own():
    queue, seen = WorkQueue(isolated=True), []
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    def work() -> None:
        seen.append((getcurrent(), user.get()))
        user.set("somebody")

    for _ in range(3):
        put(queue, work)
        put(queue, work)
    until(lambda: len(seen) == 6)
    assert len({greenlet for greenlet, _ in seen}) == 6
    assert {name for _, name in seen} == {"nobody"}


def test_nothing_is_kept_of_work_that_is_done():
    class Work:
        def __call__(self) -> None: ...

    queue, work = WorkQueue(), Work()
    gone = weakref.ref(work)
    put(queue, work)
    gc.disable()
    try:
        del work
        until(lambda: gone() is None)
    finally:
        gc.enable()
