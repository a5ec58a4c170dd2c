"""The figures of several workers as one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from signaling.config.settings import Settings
from signaling.node.history import Sample
from signaling.node.info import NodeInfo
from signaling.node.node import Node
from signaling.node.snapshot import NodeSnapshot, aggregate
from signaling.rooms.memory import MemoryRegistry
from signaling.telemetry.histogram import Histogram
from signaling.telemetry.stats import MAX_REFUSALS, Refusal
from signaling.transport import tls

NODE = NodeInfo(host="a", pid=1, version="1", started=500.0, draining=False, connections=3, rooms=2)
BOUNDS = (1.0, 2.0)


def report(node: NodeInfo = NODE, **figures: Any) -> NodeSnapshot:
    """That of a worker which had nothing to count but what is given."""
    nothing: dict[str, Any] = {
        "now": 1_000.0,
        "max_connections": 10,
        "calls": {"waiting": 1, "negotiating": 0, "settled": 1},
        "joins": 5,
        "forwarded": {"message": 4, "candidate": 0},
        "errors": {},
        "closes": {},
        "refused": {},
        "send_buffer_bytes": 0,
        "slow_connections": 0,
        "answered": Histogram(BOUNDS),
        "settled": Histogram(BOUNDS),
        "latency": Histogram(BOUNDS),
        "certificate": tls.Status(None, refused=False),
        "history": [Sample(1_000.0, 3, 2, 4, 0.01)],
        "refusals": [],
    }
    return NodeSnapshot(node=node, **(nothing | figures))


def other(**changes: Any) -> NodeInfo:
    return msgspec.structs.replace(NODE, host="b", **changes)


def histogram(*values: float) -> Histogram:
    made = Histogram(BOUNDS)
    for value in values:
        made.observe(value)
    return made


def test_counts_are_sums_and_what_is_zero_stays():
    whole = aggregate(
        [
            report(closes={1000: 2}, errors={"replaced": 1}),
            report(other(), closes={1000: 1, 1006: 1}, refused={"full": 1}),
        ]
    )
    assert (whole.node.connections, whole.node.rooms, whole.max_connections, whole.joins) == (6, 4, 20, 10)
    assert whole.calls == {"waiting": 2, "negotiating": 0, "settled": 2}
    assert whole.forwarded == {"message": 8, "candidate": 0}
    assert (whole.closes, whole.errors, whole.refused) == ({1000: 3, 1006: 1}, {"replaced": 1}, {"full": 1})


def test_a_median_is_that_of_all_and_no_mean_of_medians():
    whole = aggregate([report(answered=histogram(0.5)), report(other(), answered=histogram(1.5, 1.5, 1.5))])
    assert whole.to_json()["answered"]["median"] == histogram(0.5, 1.5, 1.5, 1.5).quantile(0.5) > 1.0


def test_it_drains_when_all_do_and_is_up_since_the_first():
    draining = msgspec.structs.replace(NODE, draining=True)
    assert aggregate([report(draining), report(other(started=400.0))]).node.draining is False
    whole = aggregate([report(draining), report(other(draining=True, started=400.0))])
    assert (whole.node.draining, whole.to_json()["uptime"]) == (True, 600.0)


def test_the_certificate_that_ends_first_counts_and_one_that_is_refused():
    ends = [None, 9_000.0, 8_000.0]
    reports = [report(certificate=tls.Status(end, refused=end == 9_000.0)) for end in ends]
    assert aggregate(reports).certificate == tls.Status(8_000.0, refused=True)
    assert aggregate(reports[:1]).certificate == tls.Status(None, refused=False)


def test_refusals_are_the_newest_first_and_bounded():
    one = [Refusal(at, "full", "") for at in range(400, 200, -2)]
    another = [Refusal(at, "full", "") for at in range(401, 101, -2)]
    times = [refusal.at for refusal in aggregate([report(refusals=one), report(refusals=another)]).refusals]
    assert times == sorted((refusal.at for refusal in one + another), reverse=True)[:MAX_REFUSALS]


def history(*samples: tuple[float, int, int, int, float]) -> list[Sample]:
    return [Sample(*sample) for sample in samples]


def test_the_history_sums_the_samples_that_are_nearest_and_has_the_greatest_lag():
    one = history((100.0, 1, 1, 10, 0.1), (105.0, 2, 1, 20, 0.3), (110.0, 3, 2, 30, 0.0))
    another = history((107.0, 10, 5, 100, 0.2), (111.0, 20, 6, 200, 0.2))
    assert aggregate([report(history=another), report(history=one)]).history == history(
        # At the first the other one was not there yet.
        (100.0, 1, 1, 10, 0.1),
        (105.0, 12, 6, 120, 0.3),
        (110.0, 23, 8, 230, 0.2),
    )


def test_what_was_passed_on_does_not_fall_where_one_stood_still():
    """A chart shows its increase."""
    whole = history(*((float(at), 1, 1, at, 0.0) for at in range(100, 200, 5)))
    gap = [sample for sample in whole if not 120 < sample.at < 180]
    forwarded = [sample.forwarded for sample in aggregate([report(history=whole), report(history=gap)]).history]
    assert forwarded == sorted(forwarded)


def test_a_report_reaches_another_worker_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tls, "status", lambda: tls.Status(1_800_000_000.0, refused=False))
    node = Node(Settings(), MemoryRegistry())
    node.stats.refuse("full", "The server is full.")
    node.stats.closes[1000] += 1
    made = node.snapshot()
    there = msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=NodeSnapshot)
    assert there.to_json() == made.to_json()
    assert there.closes == {1000: 1}
