"""One call and its steps, which show why a call did not connect. They hold no SDP and no address. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ..protocol.messages import Pair


class CallState(StrEnum):
    """How far a call is. The server sees the negotiation only, since media does not pass through it."""

    WAITING = "waiting"
    NEGOTIATING = "negotiating"
    SETTLED = "settled"
    OVER = "over"


EVENTS = ("created", "joined", "replaced", "ready", "offer", "answer", "candidates", "message", "error", "left")
"""The events of a call."""


class Step(msgspec.Struct, gc=False, omit_defaults=True):
    """One thing that happened in a call, or the same thing several times in a row."""

    at: float
    """Seconds since 1970."""
    user: int
    """The user of the pair: 0 or 1."""
    what: str
    """One of :data:`EVENTS`."""
    detail: str = ""
    candidates: dict[str, int] | None = None
    """The number of candidates by type, of ``candidates``. It grows until the next negotiation."""
    times: int = 1


class Call:
    """One call, as :class:`signaling.telemetry.call_log.CallLog` records it.

    Attributes:
        number: its number at this node.
        pair: its two users.
        began: seconds since 1970.
        ended: seconds since 1970, or None while a user is present.
        state: how far it is.
        present: whether each user of the pair is present.
        met: whether both users were ever present together.
        leads: whether it counts at this node. If its users are at two nodes, it counts where the later one joined.
        steps: what happened, the oldest first.
        skipped: how many steps are missing before the last one.
        tallies: the candidates of the latest negotiation, by user and type.
        ready_at: the latest ``ready``, in seconds of the monotonic clock; None once it is measured.
        last_at: the latest candidate or answer, in seconds of the monotonic clock.
        answered_in: seconds from the latest ``ready`` to the first answer after it, or None.
        answer_told: whether the directory of calls knows of an answer to the latest ``ready``.
        settled_in: seconds from the latest ``ready`` to the last candidate of its negotiation, or None.
    """

    __slots__ = (
        "answer_told",
        "answered_in",
        "began",
        "ended",
        "last_at",
        "leads",
        "met",
        "number",
        "pair",
        "present",
        "ready_at",
        "settled_in",
        "skipped",
        "state",
        "steps",
        "tallies",
    )

    def __init__(self, number: int, pair: Pair, now: float) -> None:
        """Start a call without users, at ``now`` in seconds since 1970."""
        self.number = number
        self.pair = pair
        self.began = now
        self.ended: float | None = None
        self.state = CallState.WAITING
        self.present = [False, False]
        self.met = False
        self.leads = True
        self.steps: list[Step] = []
        self.skipped = 0
        self.tallies: dict[str, dict[str, int]] = {}
        self.ready_at: float | None = None
        self.last_at = 0.0
        self.answered_in: float | None = None
        self.answer_told = False
        self.settled_in: float | None = None
