"""The table of figures: one entry is a metric, a value of a snapshot, its combination over nodes, and its JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from signaling.config.settings import Settings
from signaling.node import figures
from signaling.node.collector import NodeCollector
from signaling.node.node import Node
from signaling.node.snapshot import NodeSnapshot, aggregate, decode, encode
from signaling.rooms.memory import MemoryRegistry
from signaling.telemetry.figure import Figure, counter, counters, gauge, gauges, histogram
from signaling.telemetry.histogram import Histogram


@pytest.fixture
def node() -> Node:
    return Node(Settings(), MemoryRegistry())


def lines(node: Node) -> list[str]:
    registry = CollectorRegistry()
    registry.register(NodeCollector(node))
    return generate_latest(registry).decode().splitlines()


def observed(*values: float) -> Histogram:
    made = Histogram((1.0,))
    for value in values:
        made.observe(value)
    return made


Declare = Callable[[Callable[[Any], Any]], Figure[Any, Any]]

KINDS: list[tuple[Declare, Any, Any, Any, list[str]]] = [
    (
        lambda read: gauge("new", "New.", read, json="new"),
        *(2, 3, 5),
        ["# TYPE signaling_new gauge", "signaling_new 2.0"],
    ),
    (
        lambda read: gauge("new", "New.", read, merge=max, json="new"),
        *(False, True, True),
        ["# TYPE signaling_new gauge", "signaling_new 0.0"],
    ),
    (
        lambda read: gauge("new", "New.", read, merge=min, json="new"),
        *(2.5, 1.5, 1.5),
        ["# TYPE signaling_new gauge", "signaling_new 2.5"],
    ),
    (
        lambda read: counter("new", "New.", read, json="new"),
        *(2, 3, 5),
        ["# TYPE signaling_new_total counter", "signaling_new_total 2.0"],
    ),
    (
        lambda read: gauges("new", "New.", "kind", read, json="new"),
        *({"a": 1, "b": 0}, {"a": 2}, {"a": 3, "b": 0}),
        ["# TYPE signaling_new gauge", 'signaling_new{kind="a"} 1.0', 'signaling_new{kind="b"} 0.0'],
    ),
    (
        lambda read: counters(
            "new", "New.", "kind", read, series=lambda counts: {"all": sum(counts.values())}, key=int, json="new"
        ),
        *({1: 1, 2: 1}, {1: 2}, {1: 3, 2: 1}),
        ["# TYPE signaling_new_total counter", 'signaling_new_total{kind="all"} 2.0'],
    ),
    (
        lambda read: histogram("new", "New.", read, json="new"),
        *(observed(0.5), observed(3.0), {"count": 2, "median": 1.0, "p95": 1.0}),
        ["# TYPE signaling_new histogram", 'signaling_new_bucket{le="1.0"} 1.0', "signaling_new_sum 0.5"],
    ),
]


@pytest.mark.parametrize(("declare", "mine", "others", "both", "expected"), KINDS)
def test_one_entry_is_a_metric_and_a_value_of_one_node_and_of_several(
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
    declare: Declare,
    mine: Any,
    others: Any,
    both: Any,
    expected: list[str],
):
    values = [mine]
    monkeypatch.setattr(figures, "FIGURES", (*figures.FIGURES, declare(lambda _: values[0])))
    page = lines(node)
    assert "# HELP" in "\n".join(line for line in page if line.endswith(" New."))
    assert set(expected) <= set(page)

    own = NodeSnapshot.of(node)
    assert own.values["new"] == mine
    values[0] = others
    there = decode(encode(NodeSnapshot.of(node)))
    assert there.values["new"] == others
    assert aggregate([own, there]).to_json()["new"] == both


def test_a_figure_that_a_node_has_not_is_nowhere_but_in_the_page(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "FIGURES", (*figures.FIGURES, gauge("new", "New.", lambda _: None, json="group.new")))
    assert not [line for line in lines(node) if "signaling_new" in line]
    made = NodeSnapshot.of(node)
    assert "new" not in made.values
    assert aggregate([made, made]).to_json()["group"] == {"new": None}


def test_no_two_figures_have_the_same_name():
    for names in ([one.name for one in figures.FIGURES], [one.json for one in figures.FIGURES if one.json]):
        assert len(names) == len(set(names))
