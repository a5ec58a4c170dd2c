"""The samples for the charts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from signaling.node import history
from signaling.node.history import History
from signaling.telemetry.histogram import Histogram
from tests.unit.people import until


@pytest.mark.parametrize("error", [AttributeError("x"), ZeroDivisionError(), OSError("x")], ids=repr)
def test_sampling_goes_on_after_an_error(error: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "INTERVAL", 0.01)
    errors = [error] * 2

    class Rooms:
        @property
        def room_count(self) -> int:
            if errors:
                raise errors.pop()
            return 7

    stats = SimpleNamespace(lag=Histogram((1.0,)), forwarded={"message": 3})
    taken = History((), Rooms(), stats)  # type: ignore[arg-type]
    taken.start()
    until(lambda: len(taken.samples) > 2)
    assert taken.samples[-1][1:4] == (0, 7, 3)
    assert taken._sampler is not None
    taken._sampler.kill()
