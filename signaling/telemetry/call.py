"""What happened in one room, for whoever asks why a call did not connect: no SDP, no addresses. Pure of sockets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import Raw

from ..protocol.messages import Message, Pair

MAX_STEPS = 200
"""Steps that are kept of one call: the first ones, and the very last."""

QUIET_SECONDS = 5.0
"""A call is set up when an answer was passed on and no candidate came for so long."""

# As browsers write a description; to look at the whole of it takes as long as to relay it.
_begins_with_type = re.compile(rb'\{"type":"(\w{1,20})"').match


class CallState(StrEnum):
    """How far a call is, as far as the server can see: media does not pass it."""

    WAITING = "waiting"
    NEGOTIATING = "negotiating"
    SETTLED = "settled"
    OVER = "over"


WHAT = ("created", "joined", "replaced", "ready", "offer", "answer", "candidates", "message", "error", "left")
"""What can happen in a call."""


class Step(msgspec.Struct, gc=False, omit_defaults=True):
    """One thing that happened in a call, or the same several times in a row."""

    at: float
    """Seconds since 1970."""
    user: int
    """Which of the pair: 0 or 1."""
    what: str
    """One of :data:`WHAT`."""
    detail: str = ""
    candidates: dict[str, int] | None = None
    """How many of which type, of ``candidates``; it grows until the next negotiation."""
    times: int = 1


_ABSENT = Raw(b"")


class _Description(msgspec.Struct, frozen=True, gc=False):
    type: Raw = _ABSENT


_decode = msgspec.json.Decoder(_Description).decode


def _described(data: Raw) -> str:
    """Return the type of what a client sent as data; all else is the clients' own business."""
    found = _begins_with_type(data)
    if found is not None:
        return found[1].decode()
    try:
        return bytes(_decode(data).type).strip(b'"').decode()
    except (msgspec.DecodeError, RecursionError):
        return ""


def _candidate_type(text: str | bytes) -> str:
    """Return the type of the candidate in a message of a client, ``end`` for the one that says there are no more.

    `candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host …` (RFC 8839, section 5.1)

    The whole text is looked through, by one ``in`` for each type: each relayed candidate comes by here, and all that
    tells where the type is, or takes the candidate out first, makes an object and took two to three times as long.
    """
    if isinstance(text, bytes):
        text = text.decode()
    if " typ host" in text:
        return "host"
    if " typ srflx" in text:
        return "srflx"
    if " typ relay" in text:
        return "relay"
    if " typ prflx" in text:
        return "prflx"
    return "other" if " typ " in text else "end"


class Log(Protocol):
    """What all calls of one worker share; the attributes are those of :class:`signaling.telemetry.calls.CallLog`."""

    keeps: bool
    count: int
    negotiating: dict[Call, None]
    forwarded: dict[str, int]
    tell_answered: Callable[[float], None]
    tell_settled: Callable[[float], None]

    def reserve_step(self) -> bool:
        """Count one step more; False if there is no room for it."""


class Call:
    """One call, and who said what kind of thing in it.

    Attributes:
        pair: whose it is.
        began: seconds since 1970.
        ended: likewise, or None while somebody is there.
        state: how far it is.
        number: its own, in this worker.
        present: who of the pair is there.
        met: whether both were ever there together.
        leads: whether it counts here; the same call in another process, where the latest of the two came, may do so.
        steps: what happened, oldest first; at most :data:`MAX_STEPS`.
        skipped: how many steps are missing before the last one.
        answered_in: seconds from the latest ``ready`` to the first answer after it, or None.
        settled_in: seconds from the latest ``ready`` to the last candidate of its negotiation, or None.
    """

    __slots__ = (
        "_calls",
        "_last",
        "_ready",
        "_tallies",
        "answered_in",
        "began",
        "ended",
        "leads",
        "met",
        "number",
        "pair",
        "present",
        "settled_in",
        "skipped",
        "state",
        "steps",
    )

    def __init__(self, calls: Log, pair: Pair, now: float) -> None:
        self._calls = calls
        self.number = calls.count
        self.pair = pair
        self.began = now
        self.ended: float | None = None
        self.state = CallState.WAITING
        self.present = [False, False]
        self.met = False
        self.leads = True
        self.steps: list[Step] = []
        self.skipped = 0
        # The candidates of the negotiation that goes on, by user.
        self._tallies: dict[str, dict[str, int]] = {}
        self.answered_in: float | None = None
        self.settled_in: float | None = None
        # Of the monotonic clock.
        self._ready: float | None = None
        self._last = 0.0

    def note(self, user: str, what: str, detail: str = "", candidates: dict[str, int] | None = None) -> None:
        """Add a step; where there is no room for it, in the place of the one before it."""
        calls = self._calls
        if not calls.keeps:
            return
        side = self.pair.index(user)
        steps = self.steps
        if steps and candidates is None and (side, what, detail) == ((last := steps[-1]).user, last.what, last.detail):
            last.times += 1
            return
        step = Step(time.time(), side, what, detail, candidates)
        if len(steps) < MAX_STEPS and calls.reserve_step():
            steps.append(step)
        else:
            self.skipped += 1
            steps[-1:] = [step] if steps else []

    def enter(self, user: str, what: str) -> None:
        """Note that ``user`` is there, as the protocol has it: ``created`` or ``joined``."""
        self.present[self.pair.index(user)] = True
        self.note(user, what)

    def leave(self, user: str, how: str) -> None:
        """Note that ``user`` is not there any more."""
        self.present[self.pair.index(user)] = False
        self.note(user, "left", how)

    def ready(self, user: str, now: float) -> None:
        """Note that both are there and ``user`` was told to begin, at ``now`` of the monotonic clock."""
        self._settle()
        self.note(user, "ready")
        self.met = self.leads = True
        self._tallies = {}
        self.state = CallState.NEGOTIATING
        self._ready = self._last = now
        self.answered_in = self.settled_in = None
        self._calls.negotiating[self] = None

    def follow(self) -> None:
        """Note that the other one came, to another process: what is measured of the call is measured there."""
        self._settle()
        self.met = True
        self.leads = False
        self._tallies = {}
        self.state = CallState.NEGOTIATING
        self._ready = self.answered_in = self.settled_in = None

    def alone(self) -> None:
        """Note that one of the two is left."""
        self._settle()
        self._ready = None
        self.leads = True
        self.state = CallState.WAITING

    def forwarded(self, user: str, message: Message, text: str | bytes, now: float) -> None:
        """Note what kind of message was passed on for ``user``, at ``now`` of the monotonic clock.

        Args:
            text: the message as it came.
        """
        calls = self._calls
        calls.forwarded[message.type] += 1
        if message.type == "candidate":
            self._last = now
            if calls.keeps:
                self._count(user, text)
        elif calls.keeps or self in calls.negotiating:
            self._look(user, message.data, text, now)

    def _look(self, user: str, data: Raw, text: str | bytes, now: float) -> None:
        kind = _described(data)
        if kind == "candidate":
            self._last = now
            if self._calls.keeps:
                self._count(user, text)
        elif kind == "answer":
            self.note(user, kind)
            self._answered(now)
        elif kind == "offer":
            self.note(user, kind)
            self.state = CallState.NEGOTIATING
            self._tallies = {}
        else:
            self.note(user, "message")

    def _count(self, user: str, text: str | bytes) -> None:
        kind = _candidate_type(text)
        try:
            self._tallies[user][kind] += 1
        except KeyError:
            self._count_first(user, kind)

    def _count_first(self, user: str, kind: str) -> None:
        tally = self._tallies.get(user)
        if tally is None:
            tally = self._tallies[user] = {}
            self.note(user, "candidates", candidates=tally)
        tally[kind] = 1

    def _answered(self, now: float) -> None:
        self.state = CallState.SETTLED
        self._last = now
        if self._ready is not None and self.answered_in is None:
            self.answered_in = now - self._ready
            self._calls.tell_answered(self.answered_in)

    def expire_negotiation(self, now: float) -> None:
        """Take the negotiation for done when nothing came for a while."""
        if now - self._last > QUIET_SECONDS and self.answered_in is not None:
            self._settle()

    def _settle(self) -> None:
        if self not in self._calls.negotiating:
            return
        del self._calls.negotiating[self]
        if self._ready is not None and self.answered_in is not None:
            self.settled_in = self._last - self._ready
            self._calls.tell_settled(self.settled_in)
            self._ready = None

    def over(self, now: float) -> None:
        """Note that nobody is there any more, at ``now`` in seconds since 1970."""
        self.alone()
        self.state = CallState.OVER
        self.ended = now
