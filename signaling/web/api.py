"""The HTTP API for apps in any language: the calls and the users of all nodes. ``openapi.json`` describes it.

A path is read as its client wrote it, so that the id of a user may have any character, a slash included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import msgspec
from flask import Blueprint, Response, request
from werkzeug.routing import PathConverter

from ..config.timestamp import iso_8601
from ..node.control import MAX_BAR_SECONDS, REASON_MAX_CHARACTERS, Control, is_reason
from ..node.node import Node
from ..node.reach import Reach
from ..process.threads import in_plain_thread
from ..protocol.messages import ID_MAX_CHARACTERS
from ..rooms.events import Call, Waiting
from ..rooms.registry import Unavailable
from ..security.operator import OperatorAuth
from .problem import Problem
from .written_path import written_path

RETRY_SECONDS = 2
"""Seconds after which a client may try again while Redis cannot be reached."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_DOCUMENT = "openapi.json"

_CONVERTER = "signaling_rest"

_is_seconds = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?").fullmatch
_is_encoded = re.compile(r"([!-$&-~]|%[0-9A-Fa-f]{2})*").fullmatch

Json = dict[str, Any]
Handler = Callable[..., Json]


class _Rest(PathConverter):
    """The rest of a path, whatever is in it."""

    part_isolating = False
    regex = r"[\s\S]*?"


class Route(NamedTuple):
    """A path of the API, and what answers it."""

    path: Sequence[str]
    """The parts of the path below ``/api``. A part in braces stands for any text, which the handlers get."""
    handlers: dict[str, Handler]
    """The functions that answer, by method."""

    def match(self, written: Sequence[str]) -> list[str] | None:
        """Return the written texts of the parts in braces, or None if it is another path."""
        if len(written) != len(self.path):
            return None
        pairs = list(zip(self.path, written, strict=True))
        if not all(written) or any(part != text for part, text in pairs if part[0] != "{"):
            return None
        return [text for part, text in pairs if part[0] == "{"]


class Api:
    """The answers of one node.

    Attributes:
        routes: all paths, in the order of the documentation.
    """

    def __init__(self, control: Control) -> None:
        """Answer with what ``control`` knows and does."""
        self._control = control
        self.routes = (
            Route(("calls",), {"GET": self.list_calls}),
            Route(("calls", "{id}"), {"GET": self.get_call, "DELETE": self.end_call}),
            Route(("waiting",), {"GET": self.list_waiting}),
            Route(("users", "{id}"), {"GET": self.get_user}),
            Route(("users", "{id}", "connections"), {"DELETE": self.disconnect}),
        )

    def answer(self, written: Sequence[str]) -> Json:
        """Return the answer to the current request. It may wait.

        Args:
            written: the parts of its path below ``/api``, as the client wrote them.

        Raises:
            Problem: the request cannot be answered.
        """
        for route in self.routes:
            if (texts := route.match(written)) is None:
                continue
            handler = route.handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                allow = ", ".join(sorted({*route.handlers, *(["HEAD"] if "GET" in route.handlers else [])}))
                raise Problem(405, f"This path knows no {request.method}.", {"Allow": allow})
            if request.content_length or "Transfer-Encoding" in request.headers:
                raise Problem(400, "A request has no body here; its values are in the query.")
            try:
                return handler(*texts)
            except Unavailable as error:
                raise Problem(503, f"{error}.", {"Retry-After": str(RETRY_SECONDS)}) from None
        raise Problem(404, "There is no such path.")

    def list_calls(self) -> Json:
        """Return the calls that go on, or those of a user."""
        found = self._control.calls(_user(_query("user"), "user"))
        return {"calls": [call_json(call) for call in found], "partial": found.partial}

    def get_call(self, call_id: str) -> Json:
        """Return a call that goes on."""
        _query()
        found = self._control.calls()
        for call in found:
            if call.id == call_id:
                return call_json(call)
        if found.partial:
            raise Unavailable("Redis cannot be reached, and no call of this node has this id")
        raise _no_call()

    def end_call(self, call_id: str) -> Json:
        """End a call."""
        reason = _reason(_query("reason"))
        reach = self._control.end(call_id, reason)
        if reach is None:
            raise _no_call()
        return _closed(reach)

    def list_waiting(self) -> Json:
        """Return the users who wait for an absent peer."""
        query = _query("user", "peer")
        found = self._control.waiting(_user(query, "user"), _user(query, "peer"))
        return {"waiting": [waiting_json(wait) for wait in found], "partial": found.partial}

    def get_user(self, text: str) -> Json:
        """Return the connections, waits and calls of a user; the server knows no list of users, so any id is right."""
        _query()
        user = _decode_user(text)
        connections = self._control.connections(user)
        waiting, calls = self._control.waiting(user), self._control.calls(user)
        return {
            "id": user,
            "connections": connections.count,
            "waiting": [waiting_json(wait) for wait in waiting],
            "calls": [call_json(call) for call in calls],
            "partial": connections.partial or waiting.partial or calls.partial,
            "missing": connections.missing,
        }

    def disconnect(self, text: str) -> Json:
        """Close all connections of a user, and refuse their joins for a while."""
        query = _query("bar", "reason")
        bar, reason = query.get("bar", "0"), _reason(query)
        user = _decode_user(text)
        if not _is_seconds(bar) or float(bar) > MAX_BAR_SECONDS:
            raise Problem(400, f"bar must be a number of seconds from 0 to {MAX_BAR_SECONDS:.0f}.")
        return _closed(self._control.disconnect(user, float(bar), reason))


def _reason(query: dict[str, str]) -> str:
    reason = query.get("reason", "")
    if not is_reason(reason):
        raise Problem(400, f"reason must be one line of at most {REASON_MAX_CHARACTERS} characters.")
    return reason


def call_json(call: Call) -> Json:
    """Return a call that goes on, as the API has it."""
    connected = None if call.connected_at is None else iso_8601(call.connected_at)
    return {
        "id": call.id,
        "users": list(call.users),
        "startedAt": iso_8601(call.started_at),
        "connectedAt": connected,
        "path": call.path,
    }


def waiting_json(wait: Waiting) -> Json:
    """Return a user who waits, as the API has them."""
    return {"user": wait.user, "peer": wait.peer, "since": iso_8601(wait.since)}


def _closed(reach: Reach) -> Json:
    return {"closed": reach.count, "missing": reach.missing}


def _no_call() -> Problem:
    return Problem(404, "No call with this id goes on.")


def _query(*names: str) -> dict[str, str]:
    """Return the query of the current request. Others than ``names`` are refused: a misspelled one would be ignored."""
    for name, values in request.args.lists():
        if name not in names:
            known = f"known here: {', '.join(names)}" if names else "this path has none"
            raise Problem(400, f"The query has an unknown parameter; {known}.")
        if len(values) > 1:
            raise Problem(400, f"{name} is there {len(values)} times; write it once.")
    return request.args.to_dict()


def _user(query: dict[str, str], name: str) -> str | None:
    user = query.get(name)
    if user is not None:
        _check_user(user, name)
    return user


def _decode_user(written: str) -> str:
    try:
        if not _is_encoded(written):
            raise ValueError("not encoded")
        user = unquote_to_bytes(written).decode()
    except ValueError:
        raise Problem(400, "The id of the user in the path must be percent-encoded UTF-8.") from None
    _check_user(user, "The id of the user in the path")
    return user


def _check_user(user: str, place: str) -> None:
    if not 1 <= len(user) <= ID_MAX_CHARACTERS:
        raise Problem(400, f"{place} must have 1 to {ID_MAX_CHARACTERS} characters.")


@cache
def document() -> Json:
    """Return the OpenAPI document, for an API without a prefix."""
    content: Json = msgspec.json.decode((Path(__file__).parent / _DOCUMENT).read_bytes())
    return content


def add_api(blueprint: Blueprint, node: Node) -> None:
    """Add ``/api`` and what is below it, if ``SIGNALING_API_TOKEN`` is set."""
    if not node.settings.api_token:
        return
    auth, api = OperatorAuth(node.settings, "api_token"), Api(node.control)

    def answer(rest: str) -> Json:
        # The prefix and ``/api`` must be written as the route is.
        start = request.root_path + request.path.removesuffix(rest)
        written = written_path() or start + quote(rest)
        if not written.startswith(start):
            raise Problem(404, "There is no such path.")
        parts = written[len(start) :].split("/")
        if parts == [_DOCUMENT] and request.method in ("GET", "HEAD"):
            return document() | {"servers": [{"url": start.removesuffix("/api/") or "/"}]}
        if refusal := auth.check(node.client_address()):
            raise Problem(refusal.status, refusal.words, refusal.headers)
        if parts == [_DOCUMENT]:
            raise Problem(405, f"This path knows no {request.method}.", {"Allow": "GET, HEAD"})
        if node.shared is not None and not in_plain_thread():
            # A gunicorn configuration without our hooks has not started it.
            node.shared.redis.start()
        return api.answer(parts)

    @blueprint.record_once
    def add_converter(state: Any) -> None:
        state.app.url_map.converters[_CONVERTER] = _Rest

    # One route for all, so that a wrong path and a wrong method get a problem as well, and not a page of the app.
    @blueprint.route(f"/api/<{_CONVERTER}:rest>", endpoint="api", methods=_METHODS, provide_automatic_options=False)
    def api_page(rest: str) -> Response:
        try:
            response = Response(msgspec.json.encode(answer(rest)), mimetype="application/json")
        except Problem as problem:
            response = problem.response()
        response.headers["Cache-Control"] = "no-store"
        return response
