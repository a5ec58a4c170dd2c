"""What is counted and noted of all that happens in one worker, for its metrics and its operator's page.

Numbers are plain integers, since each relayed message is counted; ``node/collector.py`` gives them Prometheus's form.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from typing import NamedTuple

from ..config.settings import Settings
from ..protocol.codes import ErrorCode
from ..protocol.errors import MessageError
from ..protocol.messages import Pair
from .call import Call
from .call_log import CallLog
from .histogram import Histogram

REASONS = ("draining", "origin", "full", "address")
"""Why a WebSocket may be refused."""

MAX_REFUSALS = 200
"""Refusals that are kept for the operator's page."""

SET_UP_BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
ROUND_TRIP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Refusal(NamedTuple):
    """Somebody who was not let in, or not on."""

    at: float
    """Seconds since 1970."""
    reason: str
    words: str


class Stats:
    """The figures of one worker since its start.

    Attributes:
        calls: what happened in each room.
        joins: how many there were.
        errors: ``error`` replies, by code.
        closes: ends of connections, by close code.
        refused: WebSockets that were refused, by reason.
        refusals: the latest of those, and of the errors that ended a connection, oldest first.
        answered: seconds from ``ready`` to the first answer.
        settled: seconds from ``ready`` to the last candidate.
        latency: seconds from a ping to its pong.
        lag: seconds by which the event loop was late, once a second.
    """

    def __init__(self, settings: Settings) -> None:
        self.joins = 0
        self.errors: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.refusals: deque[Refusal] = deque(maxlen=MAX_REFUSALS)
        self.answered = Histogram(SET_UP_BOUNDS)
        self.settled = Histogram(SET_UP_BOUNDS)
        self.latency = Histogram(ROUND_TRIP_BOUNDS)
        self.lag = Histogram(LAG_BOUNDS)
        self.calls = CallLog(
            settings.ops_calls if settings.ops_token else 0, self.answered.observe, self.settled.observe
        )
        self._hashes = settings.hash_ids

    def name(self, user: str) -> str:
        """Return a user's id as it may be shown: hashed where the settings say so."""
        return hashlib.sha256(user.encode()).hexdigest()[:16] if self._hashes else user

    def room(self, pair: Pair) -> str:
        """Return a room's name as it may be shown."""
        return Pair(self.name(pair.first), self.name(pair.second)).room if self._hashes else pair.room

    @property
    def forwarded(self) -> dict[str, int]:
        """Messages passed on, by their type."""
        return self.calls.forwarded

    def refuse(self, reason: str, words: str) -> None:
        """Note that a WebSocket was refused: ``reason`` is a word for the metrics, ``words`` are for people."""
        self.refused[reason] += 1
        self.refusals.append(Refusal(time.time(), reason, words))

    def beat(self, lag: float) -> None:
        """Note that the event loop was late by so many seconds; about once a second."""
        self.lag.observe(lag)
        self.calls.tick(time.monotonic())

    def fail(self, error: MessageError, call: Call | None, user: str) -> None:
        """Note an ``error`` reply to ``user``, who is in ``call`` or in none."""
        self.errors[error.code] += 1
        if call is not None:
            # That of one who is replaced is a step of its own.
            if error.code != ErrorCode.REPLACED:
                call.note(user, "error", error.code)
        elif error.close is not None:
            self.refusals.append(Refusal(time.time(), error.code, str(error)))

    def enter(self, pair: Pair, user: str, *, first: bool, replaces: bool = False) -> Call:
        """Note that ``user`` entered the room of ``pair``, and return its call.

        Args:
            first: nobody else is there.
            replaces: an older connection of the user lost its place.
        """
        self.joins += 1
        call = self.calls.of(pair)
        if replaces:
            call.note(user, "replaced")
        call.enter(user, "created" if first else "joined")
        if not first:
            call.ready(pair.second if user == pair.first else pair.first, time.monotonic())
        return call

    def leave(self, call: Call, user: str, how: str) -> None:
        """Note that ``user`` left, and how."""
        call.leave(user, how)
        if any(call.present):
            call.alone()
        else:
            self.calls.end(call)
