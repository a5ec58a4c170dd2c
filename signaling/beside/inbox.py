"""The webhook of a service, as the app gets it: the checks of a message, and the signal that it becomes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import msgspec

from ..rooms.events import Call, EventType
from ..rooms.signature import is_signed

MAX_AGE = 300.0
"""Seconds that a message may be old, and by which the clocks may differ."""

MAX_REMEMBERED = 10_000
"""Messages that are remembered, so that each is taken once."""


class NotSignedError(ValueError):
    """A message is not from the service, or is too old."""


class _Data(msgspec.Struct, rename="camel"):
    call_id: str = ""
    user_id: str | int = ""
    remote_id: str | int = ""
    outcome: str | None = None
    users: tuple[str | int, str | int] = ("", "")
    started_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    path: str | None = None


class _Message(msgspec.Struct):
    type: str
    data: msgspec.Raw


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_data = msgspec.json.Decoder(_Data).decode


def check(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the id of a message.

    Args:
        keys: the signing keys, of which one is enough.
        headers: the headers of the POST.
        body: its body.
        now: seconds since 1970.

    Raises:
        NotSignedError: it is not signed with one of the keys, or is older than :data:`MAX_AGE`.
    """
    id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id_ or not is_signed(keys, id_, timestamp, headers.get("webhook-signature", ""), body):
        raise NotSignedError("The signature of the message is wrong.")
    # The service has signed it, so it is a number.
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > MAX_AGE:
        raise NotSignedError("The message is too old, or the clocks of the service and of this host differ.")
    return id_


def parse(body: bytes) -> tuple[EventType, dict[str, Any]] | None:
    """Return the event of a message, and the values of its signal; None for a type that is unknown here.

    Raises:
        ValueError: it is no message of the service.
    """
    try:
        message = _decode_message(body)
        if message.type not in list(EventType):
            return None
        event, data = EventType(message.type), _decode_data(message.data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"It is no message of the service: {error}") from None
    if event in (EventType.WAITING, EventType.WAITING_ENDED):
        values = {"user": str(data.user_id), "peer": str(data.remote_id)}
        return event, values | ({} if data.outcome is None else {"outcome": data.outcome})
    if data.started_at is None:
        raise ValueError("It is no message of the service: the call has no start")
    first, second = data.users
    return event, {
        "call": Call(
            id=data.call_id,
            users=(str(first), str(second)),
            started_at=data.started_at.timestamp(),
            connected_at=_seconds(data.connected_at),
            ended_at=_seconds(data.ended_at),
            reason=data.reason,
            path=data.path,
            outcome=data.outcome,
        )
    }


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


class Received:
    """The messages that this process has taken or is taking. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, float] = {}
        self._in_progress: set[str] = set()

    def take(self, id_: str) -> Taking:
        """Return a context in which a message may be handled."""
        return Taking(self, id_)

    def begin(self, id_: str) -> bool | None:
        """Return whether the message is new; None if another thread handles it now."""
        with self._lock:
            if id_ in self._in_progress:
                return None
            if id_ in self._taken:
                return False
            self._in_progress.add(id_)
            return True

    def finish(self, id_: str, *, done: bool) -> None:
        """Remember the message if it is ``done``; otherwise it may come again."""
        with self._lock:
            self._in_progress.discard(id_)
            if done:
                now = time.monotonic()
                # An older message is refused by its time, which may be ahead by as much.
                while self._taken and (
                    len(self._taken) >= MAX_REMEMBERED or now - next(iter(self._taken.values())) > 2 * MAX_AGE
                ):
                    del self._taken[next(iter(self._taken))]
                self._taken[id_] = now


class Taking(AbstractContextManager["Taking"]):
    """The handling of one message.

    Attributes:
        is_new: whether to handle it: False if it was handled before, None if another thread handles it now.
        done: whether it was handled. Set it to True at the end.
    """

    def __init__(self, received: Received, id_: str) -> None:
        self._received = received
        self._id = id_
        self.done = False
        self.is_new = received.begin(id_)

    def __exit__(self, *_: object) -> None:
        if self.is_new:
            self._received.finish(self._id, done=self.done)
