"""The figures of several workers as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from signaling.config.settings import Settings
from signaling.node.history import Sample
from signaling.node.info import NodeInfo
from signaling.node.node import Node
from signaling.node.snapshot import NodeSnapshot, aggregate, decode, encode
from signaling.rooms.memory import MemoryRegistry
from signaling.telemetry.histogram import Histogram
from signaling.telemetry.stats import MAX_REFUSALS, RefusalRecord
from signaling.transport import tls

NODE = NodeInfo(host="a", pid=1, version="1", started=500.0, draining=False, connections=3, rooms=2)
BOUNDS = (1.0, 2.0)


def report(node: NodeInfo = NODE, history: list[Sample] | None = None, **figures: Any) -> NodeSnapshot:
    """That of a worker which had nothing to count but what is given."""
    nothing: dict[str, Any] = {
        "connections": node.connections,
        "connections_limit": 10,
        "calls": {"waiting": 1, "negotiating": 0, "settled": 1},
        "joins": 5,
        "messages_relayed": {"message": 4, "candidate": 0},
        "errors": {},
        "closes": {},
        "refusals": {},
        "call_answer_seconds": Histogram(BOUNDS),
        "certificate_refused": False,
    }
    samples = [Sample(1_000.0, 3, 2, 4, 0.01)] if history is None else history
    return NodeSnapshot(node=node, now=1_000.0, values=nothing | figures, history=samples)


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
            report(other(), closes={1000: 1, 1006: 1}, refusals={"full": 1}),
        ]
    )
    assert (whole.node.connections, whole.node.rooms) == (6, 4)
    page = whole.to_json()
    assert (page["connections"], page["maxConnections"], page["joins"]) == (6, 20, 10)
    assert page["calls"] == {"waiting": 2, "negotiating": 0, "settled": 2}
    assert page["relayed"] == {"message": 8, "candidate": 0}
    assert (page["closes"], page["errors"], page["refused"]) == ({1000: 3, 1006: 1}, {"replaced": 1}, {"full": 1})


def test_a_median_is_that_of_all_and_no_mean_of_medians():
    whole = aggregate(
        [
            report(call_answer_seconds=histogram(0.5)),
            report(other(), call_answer_seconds=histogram(1.5, 1.5, 1.5)),
        ]
    )
    assert whole.to_json()["answered"]["median"] == histogram(0.5, 1.5, 1.5, 1.5).quantile(0.5) > 1.0


def test_it_drains_when_all_do_and_is_up_since_the_first():
    draining = msgspec.structs.replace(NODE, draining=True)
    assert aggregate([report(draining), report(other(started=400.0))]).node.draining is False
    whole = aggregate([report(draining), report(other(draining=True, started=400.0))])
    assert (whole.node.draining, whole.to_json()["uptime"]) == (True, 600.0)


def certificate(end: float | None) -> dict[str, float]:
    return {} if end is None else {"certificate_expiry_timestamp_seconds": end}


def test_the_certificate_that_ends_first_counts_and_one_that_is_refused():
    ends = [None, 9_000.0, 8_000.0]
    reports = [report(certificate_refused=end == 9_000.0, **certificate(end)) for end in ends]
    assert aggregate(reports).to_json()["certificate"] == {"notAfter": 8_000.0, "refused": True}
    assert aggregate(reports[:1]).to_json()["certificate"] == {"notAfter": None, "refused": False}


def test_refusals_are_the_newest_first_and_bounded():
    one = [RefusalRecord(at, "full", "") for at in range(400, 200, -2)]
    another = [RefusalRecord(at, "full", "") for at in range(401, 101, -2)]
    reports = [msgspec.structs.replace(report(), refusals=refusals) for refusals in (one, another)]
    times = [refusal.at for refusal in aggregate(reports).refusals]
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


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(tls, "status", lambda: tls.Status(1_800_000_000.0, refused=False))
    made = Node(Settings(webhook_url="https://app.example.org/hook", webhook_secret="s" * 32), MemoryRegistry())
    made.stats.refuse("full", "The server is full.")
    made.stats.closes[1000] += 1
    made.stats.answered.observe(0.3)
    return made


def test_a_report_reaches_another_worker_as_it_was(node: Node):
    made = NodeSnapshot.of(node)
    there = decode(encode(made))
    assert there == made
    assert there.to_json() == made.to_json()
    assert there.to_json()["closes"] == {1000: 1}


def test_the_page_gets_each_figure_by_its_name_in_json(node: Node):
    page = NodeSnapshot.of(node).to_json()
    assert sorted(page) == [
        *("answered", "calls", "certificate", "closes", "connections", "draining", "errors", "history", "joins"),
        *("maxConnections", "now", "refusals", "refused", "relayed", "release", "roundTrip", "sendBufferBytes"),
        *("settings", "settled", "slowConnections", "uptime", "version"),
    ]
    assert page["refused"] == {"full": 1}
    assert page["certificate"] == {"notAfter": 1_800_000_000.0, "refused": False}
    assert page["answered"] == {"count": 1, "median": pytest.approx(0.25), "p95": pytest.approx(0.295)}
    assert page["connections"] == page["sendBufferBytes"] == page["slowConnections"] == page["joins"] == 0


def of_another_version(node: Node, change: Callable[[dict[str, Any]], None]) -> NodeSnapshot:
    told = msgspec.msgpack.decode(encode(NodeSnapshot.of(node)))
    change(told)
    return decode(msgspec.msgpack.encode(told))


def test_what_another_version_has_more_is_left_out(node: Node):
    def change(told: dict[str, Any]) -> None:
        told["weather"] = "fine"
        told["node"]["weather"] = "fine"
        told["values"]["weather"] = {"sun": 3}

    own, there = NodeSnapshot.of(node), of_another_version(node, change)
    assert there.values == own.values
    assert aggregate([own, there]).to_json()["refused"] == {"full": 2}


def test_what_another_version_has_not_is_that_of_the_others(node: Node):
    def change(told: dict[str, Any]) -> None:
        del told["history"], told["refusals"], told["values"]["joins"], told["values"]["call_answer_seconds"]

    node.stats.joins = 3
    own, there = NodeSnapshot.of(node), of_another_version(node, change)
    page = aggregate([own, there]).to_json()
    assert (page["joins"], page["answered"]["count"], page["closes"]) == (3, 1, {1000: 2})
    assert there.to_json()["joins"] is None
    assert page["history"] == own.history


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("joins", "many"),
        ("closes", [1, 2]),
        ("closes", {"normal": 1}),
        ("call_answer_seconds", 3.5),
        ("call_answer_seconds", {"bounds": [1.0, 2.0], "counts": [1], "total": 1.0}),
    ],
)
def test_a_figure_of_another_type_is_left_out(node: Node, name: str, value: object):
    own, there = NodeSnapshot.of(node), of_another_version(node, lambda told: told["values"].update({name: value}))
    assert name not in there.values
    assert aggregate([there, own]).values[name] == own.values[name]


def test_a_histogram_with_other_bounds_is_left_out(node: Node):
    value = {"bounds": [1.0], "counts": [1, 1], "total": 3.0}
    own = NodeSnapshot.of(node)
    there = of_another_version(node, lambda told: told["values"].update(call_answer_seconds=value))
    assert aggregate([own, there]).to_json()["answered"]["count"] == 1


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode({"joins": 3})])
def test_what_is_no_snapshot_is_an_error(data: bytes):
    with pytest.raises(msgspec.MsgspecError):
        decode(data)
