"""The operator's page: how it goes, who is there, and what happened in each call. No SDP, no addresses."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from ..node.cluster import Answer
from ..node.node import Node
from ..node.snapshot import Report, total
from ..security.operator import Guard
from ..telemetry.call import Call
from ..telemetry.call_record import Account, unite
from ..telemetry.diagnosis import diagnose
from ..telemetry.stats import Observer

MOST_CALLS = 100
"""Calls of each kind in one answer, those that go on and those that are over."""

_encode = msgspec.msgpack.Encoder().encode
_decode_report = msgspec.msgpack.Decoder(Report).decode
_decode_accounts = msgspec.msgpack.Decoder(list[Account]).decode


def add_ops(blueprint: Blueprint, node: Node) -> None:
    """Answer other workers, and add ``/ops`` and what it shows if there is a token for it."""
    if node.colleagues is not None:
        node.colleagues.answers |= answers(node)
    token = node.settings.ops_token
    if not token:
        return
    guard = Guard(token, passwords=True)

    @blueprint.get("/ops")
    def ops() -> Response:
        refusal = guard.refusal(node.client_address())
        if refusal is not None:
            return refusal
        response = blueprint.send_static_file("ops/index.html")
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/ops/state.json")
    def ops_state() -> Response:
        refusal = guard.refusal(node.client_address())
        if refusal is not None:
            return refusal
        # Where gunicorn's configuration is somebody's own, nobody did.
        node.history.start()
        return _json(state(node))

    @blueprint.get("/ops/calls.json")
    def ops_calls() -> Response:
        refusal = guard.refusal(node.client_address())
        return refusal or _json(calls(node, request.args.get("user", "").strip()))


def answers(node: Node) -> dict[str, Answer]:
    """Return what other workers are answered that ask for their own pages."""
    return {
        "state": lambda _: _encode(node.report()),
        "calls": lambda question: _fitting(_found(node, question.argument), question.most),
    }


def state(node: Node) -> dict[str, Any]:
    """Return the figures that are no call's own: of ``node`` and of the workers that share its rooms."""
    colleagues = node.colleagues
    if colleagues is None:
        return node.report().shown()
    told = colleagues.ask("state", _decode_report)
    # Not before: it has what goes on changing.
    own = node.report()
    nodes = [own.node.shown(own.now) | {"missing": False}]
    # Who does not answer is there with what it told last.
    nodes += [(there.node if there else node).shown(own.now) | {"missing": there is None} for node, there in told]
    return {
        **total([own, *(there for _, there in told if there)]).shown(),
        "node": own.node.name,
        "redis": colleagues.redis,
        "nodes": sorted(nodes, key=itemgetter("node")),
    }


def calls(node: Node, user: str = "") -> dict[str, Any]:
    """Return the calls, the newest first; with ``user``, those of whom that is the id, its hash, or a part of these."""
    colleagues = node.colleagues
    told = [] if colleagues is None else colleagues.ask("calls", _decode_accounts, user)
    # What is over at one end may go on at the other.
    open_, over = unite([*_found(node, user), *(call for _, there in told for call in there or ())], MOST_CALLS)
    found = {
        "open": [call.shown(diagnose(call)) for call in open_],
        "recent": [call.shown(diagnose(call)) for call in over],
        "most": MOST_CALLS,
    }
    if colleagues is None:
        return found
    return {**found, "missing": [node.name for node, there in told if there is None]}


def _found(node: Node, user: str) -> list[Account]:
    """Return those that go on and those that are over here, of both the newest, as many as are shown."""
    observer = node.observer
    here = "" if node.colleagues is None else node.info().name
    return [
        Account.of(call, observer.name, here)
        for found in (reversed(observer.calls.open.values()), observer.calls.recent)
        for call in islice(_of(observer, user, found), MOST_CALLS)
    ]


def _of(observer: Observer, user: str, found: Iterable[Call]) -> Iterable[Call]:
    if not user:
        return found
    hashed, part = observer.name(user), user.casefold()
    return (
        call
        for call in found
        if any(name == hashed or part in name.casefold() for name in map(observer.name, call.pair))
    )


def _fitting(accounts: list[Account], most: int) -> bytes:
    """Return as many of the first as ``most`` bytes hold, or about that."""
    while len(encoded := _encode(accounts)) > most:
        accounts = accounts[: len(accounts) // 2]
    return encoded


def _json(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), mimetype="application/json", headers={"Cache-Control": "no-store"})
