"""The figures of a node for the operator's page, as nodes send them to each other; and those of several nodes as one.

Nodes of different versions ask each other. A figure that this version does not know, or that is of another type, is
left out. A figure that the other version does not have is missing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec

from ..telemetry.stats import MAX_REFUSALS, RefusalRecord
from . import figures, history
from .history import Sample
from .info import NodeInfo
from .node import Node


class NodeSnapshot(msgspec.Struct, kw_only=True):
    """The figures of one node at one moment, or of several nodes together. Counts are those since their start."""

    node: NodeInfo
    now: float
    """Seconds since 1970."""
    values: dict[str, Any]
    """The values of the figures, by their names."""
    history: list[Sample] = []
    """The oldest first; the last sample is of this moment."""
    refusals: list[RefusalRecord] = []
    """The newest first."""

    @classmethod
    def of(cls, node: Node) -> NodeSnapshot:
        """Return the present snapshot of ``node``."""
        with node.lock:
            reading = figures.Reading(node)
            values = {figure.name: figure.read(reading) for figure in figures.FIGURES}
        return cls(
            node=node.info(),
            now=time.time(),
            values={name: value for name, value in values.items() if value is not None},
            history=[*node.history.samples, node.history.now()],
            refusals=list(reversed(node.stats.refusals)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot as the page reads it; a figure without a value is None."""
        content = {
            **self.node.deployed,
            "now": self.now,
            "uptime": self.now - self.node.started,
            "draining": self.node.draining,
            "history": self.history,
            "refusals": [refusal._asdict() for refusal in self.refusals],
        }
        for figure in figures.FIGURES:
            if figure.json:
                value = self.values.get(figure.name)
                _insert(content, figure.json, None if value is None else figure.to_json(value))
        return content


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NodeSnapshot).decode


def decode(data: bytes) -> NodeSnapshot:
    """Return the snapshot in ``data``, which a node of any version encoded.

    Raises:
        msgspec.MsgspecError: the data is no snapshot.
    """
    snapshot = _decode(data)
    values = {}
    for figure in figures.FIGURES:
        with suppress(KeyError, msgspec.ValidationError):
            values[figure.name] = msgspec.convert(snapshot.values[figure.name], figure.type)
    snapshot.values = values
    return snapshot


def aggregate(snapshots: Sequence[NodeSnapshot]) -> NodeSnapshot:
    """Return one snapshot for all nodes. The version, like all that cannot be combined, is that of the first node."""
    nodes = [snapshot.node for snapshot in snapshots]
    values = {}
    for figure in figures.FIGURES:
        present = [snapshot.values[figure.name] for snapshot in snapshots if figure.name in snapshot.values]
        if present:
            values[figure.name] = figure.merge(present)
    refusals = sorted((one for snapshot in snapshots for one in snapshot.refusals), key=attrgetter("at"), reverse=True)
    return NodeSnapshot(
        node=msgspec.structs.replace(
            nodes[0],
            started=min(node.started for node in nodes),
            draining=all(node.draining for node in nodes),
            connections=sum(node.connections for node in nodes),
            rooms=sum(node.rooms for node in nodes),
        ),
        now=snapshots[0].now,
        values=values,
        history=history.merge([snapshot.history for snapshot in snapshots]),
        refusals=refusals[:MAX_REFUSALS],
    )


def _insert(content: dict[str, Any], path: str, value: object) -> None:
    *groups, key = path.split(".")
    for group in groups:
        content = content.setdefault(group, {})
    content[key] = value
