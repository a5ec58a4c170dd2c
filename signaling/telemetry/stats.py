"""The counts and records of one node, for its metrics and its operator's page. Pure.

Counts are plain integers, since each forwarded message is counted. ``node/figures.py`` declares what they mean.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from ..config.settings import Settings
from ..protocol.codes import ErrorCode
from ..protocol.errors import MessageError
from ..protocol.messages import Pair
from .call import Call
from .call_log import CallLog
from .histogram import Histogram
from .pseudonyms import Pseudonyms

REASONS = ("settings", "draining", "workers", "origin", "full", "address")
"""The reasons to refuse a WebSocket."""

MAX_REFUSALS = 200
"""Refusals that are kept for the operator's page."""

LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RefusalRecord(NamedTuple):
    """A refused WebSocket, or an error that ended a connection before its user was in a room."""

    at: float
    """Seconds since 1970."""
    reason: str
    """One of :data:`REASONS`, or the code of the error."""
    words: str
    """The reason in a sentence."""


class Stats:
    """The counts and records of one node since its start.

    Attributes:
        calls: the calls, which count the forwarded messages and measure durations.
        joins: joins of a room.
        errors: ``error`` replies, by code.
        closes: ends of connections, by close code.
        server_closes: those of them that this server ended.
        refused: refused WebSockets, by reason.
        refusals: the latest refusals, the oldest first.
        latency: seconds from a ping to its pong.
        lag: seconds by which the event loop was late, about once a second.
        pseudonyms: the names of users as they may be shown.
        name: the method of the pseudonyms that returns one.
    """

    def __init__(self, settings: Settings, secret: Callable[[], bytes] = bytes) -> None:
        """Start at zero; ``secret`` is for the pseudonyms."""
        self.calls = CallLog(settings.ops_calls if settings.ops_token else 0)
        self.joins = 0
        self.errors: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.server_closes: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.refusals: deque[RefusalRecord] = deque(maxlen=MAX_REFUSALS)
        self.latency = Histogram(LATENCY_BOUNDS)
        self.lag = Histogram(LAG_BOUNDS)
        self.pseudonyms = Pseudonyms(settings, secret)
        self._privacy = settings.privacy
        self.name = self.pseudonyms.name

    def room(self, pair: Pair) -> str:
        """Return the name of a room as it may be shown."""
        return Pair(self.name(pair.first), self.name(pair.second)).room if self.pseudonyms.hides else pair.room

    def words(self, error: MessageError) -> str:
        """Return why an error was sent, as it may be shown: the text may hold what a client or an app wrote."""
        return error.code.meaning if self._privacy else str(error)

    @property
    def forwarded(self) -> dict[str, int]:
        """Messages forwarded, by type."""
        return self.calls.forwarded

    @property
    def answered(self) -> Histogram:
        """Seconds from ``ready`` to the first answer."""
        return self.calls.answered

    @property
    def settled(self) -> Histogram:
        """Seconds from ``ready`` to the last candidate."""
        return self.calls.settled

    def refuse(self, reason: str, words: str) -> None:
        """Note a refused WebSocket.

        Args:
            reason: one of :data:`REASONS`, for the metrics.
            words: the reason in a sentence, for the operator.
        """
        self.refused[reason] += 1
        self.refusals.append(RefusalRecord(time.time(), reason, words))

    def on_heartbeat(self, lag: float) -> None:
        """Note that the event loop was late by ``lag`` seconds, and end negotiations; about once a second."""
        self.lag.observe(lag)
        self.calls.tick(time.monotonic())

    def fail(self, error: MessageError, call: Call | None, user: str) -> None:
        """Note an ``error`` reply to ``user``, who is in ``call``, or in no call."""
        self.errors[error.code] += 1
        if call is not None:
            # The newer connection notes its own step for this error.
            if error.code != ErrorCode.REPLACED:
                self.calls.note(call, user, "error", error.code)
        elif error.close is not None:
            self.refusals.append(RefusalRecord(time.time(), error.code, self.words(error)))

    def enter(self, pair: Pair, user: str, *, first: bool, replaces: bool = False) -> Call:
        """Note that ``user`` joined the room of ``pair``, and return its call.

        Args:
            pair: the two users.
            user: the one who joined.
            first: whether the peer is absent.
            replaces: whether an older connection of the user lost its place.
        """
        self.joins += 1
        calls = self.calls
        call = calls.get_or_create(pair)
        if replaces:
            calls.note(call, user, "replaced")
        calls.enter(call, user, "created" if first else "joined")
        if not first:
            calls.ready(call, pair.second if user == pair.first else pair.first, time.monotonic())
        return call

    def leave(self, call: Call, user: str, how: str) -> None:
        """Note that ``user`` left ``call``, and ``how``."""
        self.calls.leave(call, user, how)
