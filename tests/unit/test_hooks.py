"""What gunicorn calls: the watches go on, whatever happens in them."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from signaling import hooks, worker
from signaling.node import nodes
from signaling.process import supervisor
from signaling.transport import tls
from tests.waiting import TIMEOUT


@pytest.mark.parametrize("error", [FileNotFoundError, MemoryError, ZeroDivisionError, gevent.Timeout])
def test_the_watch_over_the_certificate_goes_on_after_any_error(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
):
    looks = []
    often = Event()

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            often.set()
        raise error("passing")

    monkeypatch.setattr(tls, "reload_if_changed", look)
    monkeypatch.setattr(nodes, "start_all", lambda: None)
    monkeypatch.setattr(hooks.gc, "freeze", lambda: None)
    thresholds: list[int] = []
    monkeypatch.setattr(hooks.gc, "set_threshold", lambda *values: thresholds.extend(values))
    # It would drain the nodes of later tests.
    monkeypatch.setattr(hooks, "_watch_end", lambda worker: None)
    monkeypatch.setenv("SIGNALING_TLS_RELOAD_INTERVAL", "0.01")
    greenlets = []
    monkeypatch.setattr(hooks, "spawn_forever", lambda *args: greenlets.append(real(*args)))
    real = supervisor.spawn_forever
    alive = SimpleNamespace(alive=True)
    hub = gevent.get_hub()
    before = hub.handle_error
    try:
        hooks.post_worker_init(alive)
        assert often.wait(TIMEOUT)
        assert thresholds == [*hooks.gc.get_threshold()[:2], hooks.FULL_COLLECTION_AFTER]
    finally:
        hub.handle_error = before
        alive.alive = False
        gevent.killall(greenlets)


def test_an_error_in_one_step_of_the_end_keeps_the_others_from_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    done = []

    def fail() -> None:
        raise OSError("passing")

    monkeypatch.setattr(nodes, "stop_metrics", fail)
    monkeypatch.setattr(nodes, "drain_all", lambda: done.append("drained"))
    monkeypatch.setattr(worker, "Worker", SimpleNamespace)
    hooks._watch_end(SimpleNamespace(alive=False, close_idle=lambda: done.append("ended")))
    assert done == ["drained", "ended"]
    assert "An error while the worker stops" in caplog.text
