"""The operator's page: the figures, and what happened in each call. It shows no SDP and no address."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from ..node import snapshot
from ..node.cluster import SurveyHandler
from ..node.node import Node
from ..node.snapshot import NodeSnapshot
from ..security.operator import OperatorAuth
from ..telemetry.call import Call
from ..telemetry.call_record import CallRecord, merge
from ..telemetry.diagnosis import diagnose
from ..telemetry.stats import Stats
from .guard import operator_only

MAX_CALLS = 100
"""Open calls in one response, and calls that ended."""

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(list[CallRecord]).decode


def add_ops(blueprint: Blueprint, node: Node) -> None:
    """Answer surveys of other nodes, and add ``/ops`` with its data if ``SIGNALING_OPS_TOKEN`` is set."""
    if node.cluster is not None:
        node.cluster.handlers |= handlers(node)
    if not node.settings.ops_token:
        return
    guarded = operator_only(node, OperatorAuth(node.settings, "ops_token", passwords=True))

    @blueprint.get("/ops")
    @guarded
    def ops() -> Response:
        return blueprint.send_static_file("ops/index.html")

    @blueprint.get("/ops/state.json")
    @guarded
    def ops_state() -> Response:
        # A gunicorn configuration without our hooks has not started it.
        node.history.start()
        return _json_response(state(node))

    @blueprint.get("/ops/calls.json")
    @guarded
    def ops_calls() -> Response:
        return _json_response(calls(node, request.args.get("user", "").strip()))


def handlers(node: Node) -> dict[str, SurveyHandler]:
    """Return the handlers that answer other nodes which make their own pages."""
    return {
        "state": lambda _: snapshot.encode(NodeSnapshot.of(node)),
        "calls": lambda request: _encode_within(_select_calls(node, request.argument), request.max_bytes),
    }


def state(node: Node) -> dict[str, Any]:
    """Return the figures of ``node`` and of the nodes that share its rooms. With Redis, it waits for their answers."""
    cluster = node.cluster
    if cluster is None:
        return NodeSnapshot.of(node).to_json()
    answers = cluster.survey("state", snapshot.decode)
    # After the survey: it refers to counts that change until it is encoded.
    own = NodeSnapshot.of(node)
    nodes = [own.node.to_json(own.now) | own.node.deployed | {"missing": False}]
    for info, answer in answers:
        # A node that did not answer is shown as of its last heartbeat.
        known = answer.node if answer else info
        nodes.append(known.to_json(own.now) | known.deployed | {"missing": answer is None})
    return {
        **snapshot.aggregate([own, *(answer for _, answer in answers if answer)]).to_json(),
        "node": own.node.name,
        "redis": cluster.redis,
        "nodes": sorted(nodes, key=itemgetter("node")),
    }


def calls(node: Node, user: str = "") -> dict[str, Any]:
    """Return the calls of all nodes, the newest first. With Redis, it waits for the answers of other nodes.

    Args:
        node: the node that makes the page.
        user: if it is not empty, only calls of users whose id or hash contains it.
    """
    cluster = node.cluster
    answers = [] if cluster is None else cluster.survey("calls", _decode_records, user)
    # One end of a call may be over while the other one goes on.
    open_, ended = merge(
        [*_select_calls(node, user), *(record for _, answer in answers for record in answer or ())], MAX_CALLS
    )
    content = {
        "open": [call.to_json(diagnose(call)) for call in open_],
        "recent": [call.to_json(diagnose(call)) for call in ended],
        "most": MAX_CALLS,
    }
    if cluster is None:
        return content
    return {**content, "missing": [info.name for info, answer in answers if answer is None]}


def _select_calls(node: Node, user: str) -> list[CallRecord]:
    """Return the newest open calls of ``node`` and the newest that ended, as many as a page shows."""
    stats = node.stats
    name = "" if node.cluster is None else node.info().name
    with node.lock:
        return [
            CallRecord.of(call, stats.name, name)
            for calls in (reversed(stats.calls.open.values()), stats.calls.recent)
            for call in islice(_filter_by_user(stats, user, calls), MAX_CALLS)
        ]


def _filter_by_user(stats: Stats, user: str, calls: Iterable[Call]) -> Iterable[Call]:
    if not user:
        return calls
    hashed, part = stats.name(user), user.casefold()
    return (
        call for call in calls if any(name == hashed or part in name.casefold() for name in map(stats.name, call.pair))
    )


def _encode_within(records: list[CallRecord], max_bytes: int) -> bytes:
    """Encode the first records, about as many as ``max_bytes`` hold."""
    while len(encoded := _encode(records)) > max_bytes:
        records = records[: len(records) // 2]
    return encoded


def _json_response(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), mimetype="application/json")
