"""The operator's page: how it goes, who is there, and what happened in each call. No SDP, no addresses."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, request

from . import __version__, tls
from .call import Call
from .diagnosis import diagnose
from .guard import Guard
from .histogram import Histogram
from .observer import Observer

if TYPE_CHECKING:
    from .extension import Signaling

MOST_CALLS = 100
"""Calls of each kind in one answer, those that go on and those that are over."""


def add_ops(blueprint: Blueprint, service: Signaling) -> None:
    """Add ``/ops`` and what it shows, if there is a token for it."""
    token = service.settings.ops_token
    if not token:
        return
    guard = Guard(token, passwords=True)

    @blueprint.get("/ops")
    def ops() -> Response:
        refusal = guard.refusal(service.client_address())
        if refusal is not None:
            return refusal
        response = blueprint.send_static_file("ops/index.html")
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/ops/state.json")
    def ops_state() -> Response:
        refusal = guard.refusal(service.client_address())
        if refusal is not None:
            return refusal
        # Where gunicorn's configuration is somebody's own, nobody did.
        service.history.start()
        return _json(state(service))

    @blueprint.get("/ops/calls.json")
    def ops_calls() -> Response:
        refusal = guard.refusal(service.client_address())
        return refusal or _json(calls(service.observer, request.args.get("user", "").strip()))


def state(service: Signaling) -> dict[str, Any]:
    """Return the figures of ``service``, as far as they are no call's own."""
    observer = service.observer
    kept, slow = service.connections.waiting()
    certificate = tls.status()
    return {
        "version": __version__,
        "now": time.time(),
        "uptime": time.monotonic() - service.started,
        "draining": service.connections.draining,
        "connections": len(service.connections),
        "maxConnections": service.settings.max_connections,
        "calls": observer.calls.states(),
        "joins": observer.joins,
        "relayed": observer.relayed,
        "errors": observer.errors,
        "closes": observer.closes,
        "refused": observer.refused,
        "sendBufferBytes": kept,
        "slowConnections": slow,
        "answered": _spread(observer.answered),
        "settled": _spread(observer.settled),
        "roundTrip": _spread(observer.round_trip),
        "certificate": {"notAfter": certificate.not_after, "refused": certificate.refused},
        "history": [*service.history.samples, service.history.now()],
        "refusals": [refusal._asdict() for refusal in reversed(observer.refusals)],
    }


def calls(observer: Observer, user: str = "") -> dict[str, Any]:
    """Return the calls, the newest first; with ``user``, those of whom that is the id, its hash, or a part of these."""
    return {
        "open": _listed(observer, reversed(observer.calls.open.values()), user),
        "recent": _listed(observer, observer.calls.recent, user),
        "most": MOST_CALLS,
    }


def _listed(observer: Observer, found: Iterable[Call], user: str) -> list[dict[str, Any]]:
    if user:
        hashed, part = observer.name(user), user.casefold()
        found = (
            call
            for call in found
            if any(name == hashed or part in name.casefold() for name in map(observer.name, call.pair))
        )
    return [_described(observer, call) for call in islice(found, MOST_CALLS)]


def _described(observer: Observer, call: Call) -> dict[str, Any]:
    return {
        "number": call.number,
        "users": [observer.name(user) for user in call.pair],
        "present": call.present,
        "state": call.state,
        "began": call.began,
        "ended": call.ended,
        "answeredIn": call.answered_in,
        "settledIn": call.settled_in,
        "diagnosis": diagnose(call, observer.name),
        "steps": call.steps,
        "skipped": call.skipped,
    }


def _spread(histogram: Histogram) -> dict[str, float | None]:
    return {"count": histogram.count, "median": histogram.quantile(0.5), "p95": histogram.quantile(0.95)}


def _json(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), mimetype="application/json", headers={"Cache-Control": "no-store"})
