"""The calls of one worker: those that go on, and a bounded number of those that are over.

A call begins with the first who enters a room and is over when the last one left. While it is, it is found by its pair.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..protocol.messages import Pair
from .call import Call, CallState

MAX_STEPS_OF_ALL = 100_000
"""Steps that are kept of all calls: some 20 MiB. For a new one, the call that is over for longest is forgotten."""


class CallLog:
    """The calls of one worker.

    Attributes:
        open: those under way, by their pairs.
        recent: those that are over, the latest first.
        keeps: whether the steps and candidates of calls are kept.
        negotiating: those whose candidates may still be on their way.
        forwarded: messages passed on in all of them, by their type.
        count: how many there were.
        steps: how many are kept of all calls.
    """

    def __init__(
        self,
        keep: int = 0,
        tell_answered: Callable[[float], None] = lambda _: None,
        tell_settled: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Keep as many calls that are over.

        Args:
            keep: how many; with 0, nothing is kept of any call but what the durations are measured by.
            tell_answered: is told the seconds of each call from ``ready`` to its first answer.
            tell_settled: is told the seconds of each call from ``ready`` to its last candidate.
        """
        self.keeps = bool(keep)
        self.tell_answered = tell_answered
        self.tell_settled = tell_settled
        self.open: dict[Pair, Call] = {}
        self.recent: deque[Call] = deque(maxlen=keep)
        self.negotiating: dict[Call, None] = {}
        self.forwarded = {"message": 0, "candidate": 0}
        self.count = 0
        self.steps = 0

    def of(self, pair: Pair) -> Call:
        """Return the call of ``pair``, a new one if there is none."""
        call = self.open.get(pair)
        if call is None:
            self.count += 1
            call = self.open[pair] = Call(self, pair, time.time())
        return call

    def states(self) -> dict[str, int]:
        """Return how many of the open ones are in which state; of all processes together, each call is counted once."""
        numbers = dict.fromkeys((state.value for state in CallState if state is not CallState.OVER), 0)
        for call in self.open.values():
            if call.leads:
                numbers[call.state] += 1
        return numbers

    def reserve_step(self) -> bool:
        """Count one step more, for which a call may have to be forgotten; False if there is none."""
        if self.steps >= MAX_STEPS_OF_ALL and not self._forget():
            return False
        self.steps += 1
        return True

    def _forget(self) -> bool:
        while self.recent:
            steps = len(self.recent.pop().steps)
            self.steps -= steps
            if steps:
                return True
        return False

    def end(self, call: Call) -> None:
        """Put ``call``, in which nobody is any more, among the recent ones."""
        if self.open.get(call.pair) is call:
            del self.open[call.pair]
        call.over(time.time())
        if len(self.recent) == self.recent.maxlen:
            self._forget()
        self.recent.appendleft(call)

    def tick(self, now: float) -> None:
        """Look which negotiations are done, at ``now`` of the monotonic clock; about once a second."""
        for call in list(self.negotiating):
            call.expire_negotiation(now)
