"""The calls of one node, and what happens in them. Pure.

A call begins when the first user enters a room. It ends when the last one leaves.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from msgspec import Raw

from ..protocol.messages import Message, Pair
from .call import Call, CallState, Step
from .histogram import Histogram
from .message_kind import candidate_type, data_type

MAX_STEPS = 200
"""Steps that are kept of one call: the first ones, and the very last."""

MAX_STEPS_OF_ALL = 100_000
"""Steps that are kept of all calls, some 20 MiB. Above that, the calls that ended first are forgotten."""

QUIET_SECONDS = 5.0
"""Seconds without a candidate after which the negotiation of an answered call is over."""

SET_UP_BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class CallLog:
    """The calls of one node: the open ones, and a bounded number of those that ended.

    Attributes:
        keeps: whether the steps of calls are kept.
        open: the calls that go on, by their pairs.
        recent: the calls that ended, the newest first.
        negotiating: the calls whose candidates may still come.
        forwarded: messages forwarded in all calls, by type.
        answered: seconds from ``ready`` to the first answer, of all calls.
        settled: seconds from ``ready`` to the last candidate, of all calls.
        count: how many calls there were.
        steps: how many steps are kept of all calls.
        on_answer: called with the pair of a call when it is answered; None if nobody wants to know. It must not wait.
    """

    def __init__(self, keep: int = 0) -> None:
        """Start without calls.

        Args:
            keep: how many calls that ended are kept. With 0, calls have no steps and are only measured.
        """
        self.keeps = bool(keep)
        self.open: dict[Pair, Call] = {}
        self.recent: deque[Call] = deque(maxlen=keep)
        self.negotiating: dict[Call, None] = {}
        self.forwarded = {"message": 0, "candidate": 0}
        self.answered = Histogram(SET_UP_BOUNDS)
        self.settled = Histogram(SET_UP_BOUNDS)
        self.count = 0
        self.steps = 0
        self.on_answer: Callable[[Pair], object] | None = None

    def states(self) -> dict[str, int]:
        """Return the number of open calls by state. The sum over all nodes counts each call once."""
        numbers = dict.fromkeys((state.value for state in CallState if state is not CallState.OVER), 0)
        for call in self.open.values():
            if call.leads:
                numbers[call.state] += 1
        return numbers

    def get_or_create(self, pair: Pair) -> Call:
        """Return the open call of ``pair``, or a new one."""
        call = self.open.get(pair)
        if call is None:
            self.count += 1
            call = self.open[pair] = Call(self.count, pair, time.time())
        return call

    def note(
        self, call: Call, user: str, what: str, detail: str = "", candidates: dict[str, int] | None = None
    ) -> None:
        """Add a step to ``call``, or count its last one again if it is the same.

        If there is no room for the step, it replaces the last one.
        """
        if not self.keeps:
            return
        side = call.pair.index(user)
        steps = call.steps
        if steps and candidates is None and (side, what, detail) == ((last := steps[-1]).user, last.what, last.detail):
            last.times += 1
            return
        step = Step(time.time(), side, what, detail, candidates)
        if len(steps) < MAX_STEPS and self._reserve_step():
            steps.append(step)
        else:
            call.skipped += 1
            steps[-1:] = [step] if steps else []

    def _reserve_step(self) -> bool:
        """Count one more step of all calls, and return whether there is room for it."""
        if self.steps >= MAX_STEPS_OF_ALL and not self._forget():
            return False
        self.steps += 1
        return True

    def _forget(self) -> bool:
        """Forget the oldest recent calls until one had steps, and return whether there was one."""
        while self.recent:
            steps = len(self.recent.pop().steps)
            self.steps -= steps
            if steps:
                return True
        return False

    def enter(self, call: Call, user: str, what: str) -> None:
        """Note that ``user`` joined. ``what`` is the reply that they got: ``created`` or ``joined``."""
        call.present[call.pair.index(user)] = True
        self.note(call, user, what)

    def leave(self, call: Call, user: str, how: str) -> None:
        """Note that ``user`` left. If nobody is left, move the call to the recent ones."""
        call.present[call.pair.index(user)] = False
        self.note(call, user, "left", how)
        self.peer_left(call)
        if any(call.present):
            return
        call.state = CallState.OVER
        call.ended = time.time()
        if self.open.get(call.pair) is call:
            del self.open[call.pair]
        if len(self.recent) == self.recent.maxlen:
            self._forget()
        self.recent.appendleft(call)

    def ready(self, call: Call, user: str, now: float) -> None:
        """Start a negotiation: both users are present, and ``user`` got ``ready``.

        ``now`` is in seconds of the monotonic clock.
        """
        self._end_negotiation(call)
        self.note(call, user, "ready")
        call.met = call.leads = True
        call.tallies = {}
        call.state = CallState.NEGOTIATING
        call.ready_at = call.last_at = now
        call.answered_in = call.settled_in = None
        call.answer_told = False
        self.negotiating[call] = None

    def peer_joined_elsewhere(self, call: Call) -> None:
        """Note that the peer joined at another node, which measures and counts the call from now on."""
        self._end_negotiation(call)
        call.met = True
        call.leads = False
        call.tallies = {}
        call.state = CallState.NEGOTIATING
        call.ready_at = call.answered_in = call.settled_in = None
        call.answer_told = False

    def peer_left(self, call: Call) -> None:
        """Note that one of the two users is left."""
        self._end_negotiation(call)
        call.ready_at = None
        call.leads = True
        call.state = CallState.WAITING

    def count_forwarded(self, call: Call, user: str, message: Message, text: str | bytes, now: float) -> None:
        """Count a message that was forwarded for ``user``, and note its kind.

        Args:
            call: the call of the sender.
            user: the sender.
            message: the message.
            text: the message as it came.
            now: seconds of the monotonic clock.
        """
        self.forwarded[message.type] += 1
        if message.type == "candidate":
            call.last_at = now
            if self.keeps:
                self._count_candidate(call, user, text)
        elif self.keeps or call in self.negotiating or (self.on_answer is not None and not call.answer_told):
            self._note_data(call, user, message.data, text, now)

    def _note_data(self, call: Call, user: str, data: Raw, text: str | bytes, now: float) -> None:
        kind = data_type(data)
        if kind == "candidate":
            call.last_at = now
            if self.keeps:
                self._count_candidate(call, user, text)
        elif kind == "answer":
            self.note(call, user, kind)
            self._measure_answer(call, now)
        elif kind == "offer":
            self.note(call, user, kind)
            call.state = CallState.NEGOTIATING
            call.tallies = {}
        else:
            self.note(call, user, "message")

    def _count_candidate(self, call: Call, user: str, text: str | bytes) -> None:
        kind = candidate_type(text)
        try:
            call.tallies[user][kind] += 1
        except KeyError:
            self._count_first_candidate(call, user, kind)

    def _count_first_candidate(self, call: Call, user: str, kind: str) -> None:
        tally = call.tallies.get(user)
        if tally is None:
            tally = call.tallies[user] = {}
            self.note(call, user, "candidates", candidates=tally)
        tally[kind] = 1

    def _measure_answer(self, call: Call, now: float) -> None:
        call.state = CallState.SETTLED
        call.last_at = now
        if call.ready_at is not None and call.answered_in is None:
            call.answered_in = now - call.ready_at
            self.answered.observe(call.answered_in)
        if self.on_answer is not None and not call.answer_told:
            call.answer_told = True
            self.on_answer(call.pair)

    def tick(self, now: float) -> None:
        """End the negotiations that are done, about once a second.

        A negotiation is done if the call is answered and no candidate came for :data:`QUIET_SECONDS`. ``now`` is in
        seconds of the monotonic clock.
        """
        for call in list(self.negotiating):
            if now - call.last_at > QUIET_SECONDS and call.answered_in is not None:
                self._end_negotiation(call)

    def _end_negotiation(self, call: Call) -> None:
        if call not in self.negotiating:
            return
        del self.negotiating[call]
        if call.ready_at is not None and call.answered_in is not None:
            call.settled_in = call.last_at - call.ready_at
            self.settled.observe(call.settled_in)
            call.ready_at = None
