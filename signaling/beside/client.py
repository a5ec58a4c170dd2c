"""A client of the HTTP API of a service: what an app does with its calls and users."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from ..node.reach import Reach
from ..process.occasional_log import OccasionalLog
from ..rooms.events import Call, Listing, Waiting
from ..rooms.registry import Unavailable
from ..version import __version__

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_TIMEOUT = 2.0
"""Seconds that a connection to the service may take."""

ANSWER_TIMEOUT = 5.0
"""Seconds that the service may take to answer. It waits for Redis and for its nodes."""

MAX_CONNECTIONS = 10
"""Connections to the service that a process keeps open."""

FAILED = "Requests that the service did not answer: %d, the last one: %s"

PROBLEM = "application/problem+json"


class _Call(msgspec.Struct, rename="camel"):
    id: str
    users: tuple[str, str]
    started_at: datetime
    connected_at: datetime | None = None
    path: str | None = None


class _Waiting(msgspec.Struct):
    user: str
    peer: str
    since: datetime


class _Calls(msgspec.Struct):
    calls: list[_Call]
    partial: bool


class _Waits(msgspec.Struct):
    waiting: list[_Waiting]
    partial: bool


class _Closed(msgspec.Struct):
    closed: int
    missing: list[str]


class _Problem(msgspec.Struct):
    status: int
    title: str = ""
    detail: str = ""


class ServiceClient:
    """The calls and the users of the service at one address. It may be used by several threads.

    Attributes:
        authorizes_joins: False, since the service cannot ask the authorizer of the app.
    """

    authorizes_joins = False

    def __init__(self, url: str, token: str) -> None:
        """Ask the service at ``url``, without a slash at its end, with its ``SIGNALING_API_TOKEN``."""
        self._url = url
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=ANSWER_TIMEOUT)
        # A redirect would take the token to another address.
        self._http = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=MAX_CONNECTIONS)
        self._failures = OccasionalLog(log)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "User-Agent": f"webrtc-signaling/{__version__}",
        }

    def calls(self, user: str | None = None) -> Listing[Call]:
        """Return the calls that go on, oldest first, or those of ``user``. It waits.

        Raises:
            Unavailable: the service cannot be reached.
        """
        found = self._ask(_Calls, "GET", "calls", user=user)
        return Listing(map(_to_call, found.calls), partial=found.partial)

    def waiting(self, user: str | None = None, peer: str | None = None) -> Listing[Waiting]:
        """Return the users who wait for an absent peer, oldest first, or only some of them. It waits.

        Raises:
            Unavailable: the service cannot be reached.
        """
        found = self._ask(_Waits, "GET", "waiting", user=user, peer=peer)
        waits = (Waiting(user=each.user, peer=each.peer, since=each.since.timestamp()) for each in found.waiting)
        return Listing(waits, partial=found.partial)

    def end(self, call_id: str, reason: str = "") -> Reach | None:
        """End a call; return None if no call with this id goes on. It waits.

        Raises:
            Unavailable: the service or its Redis cannot be reached, so nothing is sure.
            ValueError: the reason is too long.
        """
        try:
            return _to_reach(self._ask(_Closed, "DELETE", "calls", call_id, reason=reason or None))
        except LookupError:
            return None

    def disconnect(self, user: str, bar_seconds: float = 0, reason: str = "") -> Reach:
        """Close all connections of ``user``, and refuse their joins for ``bar_seconds``. It waits.

        Raises:
            Unavailable: the service or its Redis cannot be reached, so nothing is sure.
            ValueError: the seconds are negative or too many, or the reason is too long.
        """
        bar = f"{bar_seconds:f}" if bar_seconds else None
        return _to_reach(self._ask(_Closed, "DELETE", "users", user, "connections", bar=bar, reason=reason or None))

    def _ask(self, kind: type[T], method: str, *path: str, **query: str | None) -> T:
        """Return the answer to a request.

        Args:
            kind: the type of the answer.
            method: the HTTP method.
            path: the parts of the path below ``/api``; they may have any character.
            query: the query; a value that is None is left out.

        Raises:
            LookupError: there is no such call.
            Unavailable: the service cannot be reached, or does not do what was asked.
            ValueError: a value of the request is wrong.
        """
        status, headers, body = self._send(method, self._address(path, query))
        try:
            if status == HTTPStatus.OK:
                return msgspec.json.decode(body, type=kind)
            is_problem = headers.get("Content-Type", "").partition(";")[0] == PROBLEM
            problem = msgspec.json.decode(body, type=_Problem) if is_problem else _Problem(status)
        except (msgspec.MsgspecError, RecursionError):
            raise self._unavailable("its answer is none of this API") from None
        if status == HTTPStatus.NOT_FOUND and is_problem:
            raise LookupError(problem.detail)
        if status == HTTPStatus.BAD_REQUEST and is_problem:
            raise ValueError(problem.detail)
        raise self._unavailable(_WHY.get(status, problem.detail or f"it answered {status}"))

    def _address(self, path: tuple[str, ...], query: Mapping[str, str | None]) -> str:
        # A path with the part "." or ".." would be another path.
        parts = (quote(part, safe="").replace(".", "%2E") for part in path)
        given = {name: value for name, value in query.items() if value is not None}
        return "/".join([f"{self._url}/api", *parts]) + (f"?{urlencode(given)}" if given else "")

    def _send(self, method: str, url: str) -> tuple[int, Mapping[str, str], bytes]:
        # The service may close a connection in the moment in which it is used again. All methods can be repeated.
        for is_last in (False, True):
            try:
                response = self._http.request(method, url, headers=self._headers, redirect=False)
            except ProtocolError as error:
                if is_last:
                    raise self._unavailable(_reason(error)) from None
            except HTTPError as error:
                raise self._unavailable(_reason(error)) from None
            else:
                return response.status, response.headers, response.data
        raise AssertionError("the last attempt returns or raises")

    def _unavailable(self, reason: str) -> Unavailable:
        self._failures.warning(FAILED, f"{self._url}: {reason}")
        return Unavailable(f"The service at {self._url} is unavailable: {reason}")


_WHY: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it refused the token; SIGNALING_SERVICE_SECRET must be the same at the service",
    HTTPStatus.NOT_FOUND: "it has no HTTP API; look at SIGNALING_SERVICE_URL, and at its own SIGNALING_SERVICE_SECRET",
}


def _reason(error: Exception) -> str:
    # urllib3 wraps the system's error, whose words are shorter.
    inner = error.__cause__ or error.__context__
    return (isinstance(inner, OSError) and inner.strerror) or str(error) or type(error).__name__


def _to_call(call: _Call) -> Call:
    connected = None if call.connected_at is None else call.connected_at.timestamp()
    return Call(
        id=call.id, users=call.users, started_at=call.started_at.timestamp(), connected_at=connected, path=call.path
    )


def _to_reach(closed: _Closed) -> Reach:
    if closed.missing:
        log.warning("Nodes of the service that did not answer: %s", ", ".join(closed.missing))
    return Reach(closed.closed, closed.missing)
