"""What is remembered of a pair of users: what each connection said and was told, and what was wrong about it."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.connection import Connection

SHOWN_EVENTS = 40
"""Events of a pair that are shown with a violation."""

_MAX_EVENTS = 5_000


class Clock:
    """Seconds since the run began."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._begin


@dataclass
class Violation:
    """A rule that was broken, and the pair's last events until then."""

    time: float
    pair: str
    rule: str
    what: str
    events: list[str]

    def __str__(self) -> str:
        return f"{self.time:7.2f} {self.rule}: {self.pair}: {self.what}"


@dataclass
class Word:
    """A numbered message.

    Attributes:
        sent: when, in seconds.
        join_sent: when its connection had last sent a join.
        join_answered: when that was answered; infinite if it was not yet.
        peer: the connection that the speaker then took for its peer, by the server's id; None while alone.
        heard: whether the peer's user was told it.
    """

    connection: str
    number: int
    sent: float
    join_sent: float
    join_answered: float
    peer: str | None
    heard: bool = False


@dataclass
class PairRecord:
    """The events of one pair, and the violations, which all pairs share.

    Attributes:
        connections: those of both users that were open in this round, in the order in which they began.
    """

    name: str
    clock: Clock
    violations: list[Violation]
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_MAX_EVENTS))
    connections: list[Connection] = field(default_factory=list)

    def note(self, who: str, what: str) -> None:
        self.events.append((self.clock.now(), f"{who} {what}"))

    def fault(self, rule: str, what: str, until: float = math.inf) -> None:
        """Note a violation with the events until then, and say it at once."""
        events = [f"{when:7.2f} {event}" for when, event in self.events if when <= until][-SHOWN_EVENTS:]
        violation = Violation(self.clock.now(), self.name, rule, what, events)
        print(f"VIOLATION {violation}", flush=True)
        self.violations.append(violation)
