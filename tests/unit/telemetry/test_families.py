"""The metrics of several workers on one page."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from signaling.telemetry import families


def worker(number: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("rooms", "Rooms.", registry=registry).set(number)
    Counter("errors", "Errors.", ["code"], registry=registry).labels("full").inc(number)
    Histogram("lag", "Lag.", buckets=[1], registry=registry).observe(number)
    return registry


def test_each_metric_is_there_once_with_the_series_of_all():
    one, two = (families.decode(families.encode(families.collect(worker(number)))) for number in (1, 2))
    page = generate_latest(families.ClusterCollector([("a:1", one), ("b:2", two)])).decode()
    lines = page.splitlines()
    assert [line for line in lines if line.startswith("# TYPE")] == [
        "# TYPE signaling_node_up gauge",
        "# TYPE rooms gauge",
        "# TYPE errors_total counter",
        "# TYPE errors_created gauge",
        "# TYPE lag histogram",
        "# TYPE lag_created gauge",
    ]
    for line in (
        'signaling_node_up{node="a:1"} 1.0',
        'rooms{node="a:1"} 1.0',
        'rooms{node="b:2"} 2.0',
        'errors_total{code="full",node="b:2"} 2.0',
        'lag_bucket{le="1.0",node="a:1"} 1.0',
        'lag_bucket{le="1.0",node="b:2"} 0.0',
    ):
        assert line in lines


def test_who_does_not_answer_is_not_up_and_has_nothing_else():
    page = generate_latest(families.ClusterCollector([("a:1", families.collect(worker(1))), ("b:2", None)])).decode()
    assert [line for line in page.splitlines() if "b:2" in line] == ['signaling_node_up{node="b:2"} 0.0']
