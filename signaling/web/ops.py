"""The operator's page: how it goes, who is there, and what happened in each call. No SDP, no addresses."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from ..node.cluster import SurveyHandler
from ..node.node import Node
from ..node.snapshot import NodeSnapshot, aggregate
from ..security.operator import OperatorAuth
from ..telemetry.call import Call
from ..telemetry.call_record import CallRecord, merge
from ..telemetry.diagnosis import diagnose
from ..telemetry.stats import Stats
from .guard import operator_only

MAX_CALLS = 100
"""Calls of each kind in one answer, those that go on and those that are over."""

_encode = msgspec.msgpack.Encoder().encode
_decode_snapshot = msgspec.msgpack.Decoder(NodeSnapshot).decode
_decode_records = msgspec.msgpack.Decoder(list[CallRecord]).decode


def add_ops(blueprint: Blueprint, node: Node) -> None:
    """Answer other workers, and add ``/ops`` and what it shows if there is a token for it."""
    if node.cluster is not None:
        node.cluster.handlers |= handlers(node)
    token = node.settings.ops_token
    if not token:
        return
    guarded = operator_only(node, OperatorAuth(token, passwords=True))

    @blueprint.get("/ops")
    @guarded
    def ops() -> Response:
        return blueprint.send_static_file("ops/index.html")

    @blueprint.get("/ops/state.json")
    @guarded
    def ops_state() -> Response:
        # Where gunicorn's configuration is somebody's own, nobody did.
        node.history.start()
        return _json(state(node))

    @blueprint.get("/ops/calls.json")
    @guarded
    def ops_calls() -> Response:
        return _json(calls(node, request.args.get("user", "").strip()))


def handlers(node: Node) -> dict[str, SurveyHandler]:
    """Return what other workers are answered that ask for their own pages."""
    return {
        "state": lambda _: _encode(node.snapshot()),
        "calls": lambda request: _fitting(_found(node, request.argument), request.most),
    }


def state(node: Node) -> dict[str, Any]:
    """Return the figures that are no call's own: of ``node`` and of the workers that share its rooms."""
    cluster = node.cluster
    if cluster is None:
        return node.snapshot().to_json()
    told = cluster.survey("state", _decode_snapshot)
    # Not before: it has what goes on changing.
    own = node.snapshot()
    nodes = [own.node.to_json(own.now) | {"missing": False}]
    # Who does not answer is there with what it told last.
    nodes += [(there.node if there else node).to_json(own.now) | {"missing": there is None} for node, there in told]
    return {
        **aggregate([own, *(there for _, there in told if there)]).to_json(),
        "node": own.node.name,
        "redis": cluster.redis,
        "nodes": sorted(nodes, key=itemgetter("node")),
    }


def calls(node: Node, user: str = "") -> dict[str, Any]:
    """Return the calls, the newest first; with ``user``, those of whom that is the id, its hash, or a part of these."""
    cluster = node.cluster
    told = [] if cluster is None else cluster.survey("calls", _decode_records, user)
    # What is over at one end may go on at the other.
    open_, over = merge([*_found(node, user), *(call for _, there in told for call in there or ())], MAX_CALLS)
    found = {
        "open": [call.to_json(diagnose(call)) for call in open_],
        "recent": [call.to_json(diagnose(call)) for call in over],
        "most": MAX_CALLS,
    }
    if cluster is None:
        return found
    return {**found, "missing": [node.name for node, there in told if there is None]}


def _found(node: Node, user: str) -> list[CallRecord]:
    """Return those that go on and those that are over here, of both the newest, as many as are shown."""
    stats = node.stats
    here = "" if node.cluster is None else node.info().name
    return [
        CallRecord.of(call, stats.name, here)
        for found in (reversed(stats.calls.open.values()), stats.calls.recent)
        for call in islice(_of(stats, user, found), MAX_CALLS)
    ]


def _of(stats: Stats, user: str, found: Iterable[Call]) -> Iterable[Call]:
    if not user:
        return found
    hashed, part = stats.name(user), user.casefold()
    return (
        call for call in found if any(name == hashed or part in name.casefold() for name in map(stats.name, call.pair))
    )


def _fitting(records: list[CallRecord], most: int) -> bytes:
    """Return as many of the first as ``most`` bytes hold, or about that."""
    while len(encoded := _encode(records)) > most:
        records = records[: len(records) // 2]
    return encoded


def _json(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), mimetype="application/json")
