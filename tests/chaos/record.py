"""What is remembered of a pair of users: what each connection said and was told, and what was wrong about it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.connection import Connection

SHOWN_EVENTS = 40
"""Events of a pair that are shown with a violation."""


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
        processed: whether its worker answered a ping behind it.
        peer: the connection that the speaker then took for its peer, by the server's id; None while alone.
        heard: whether the peer's user was told it.
    """

    connection: str
    number: int
    sent: float
    peer: str | None
    processed: bool = False
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
    events: deque[str] = field(default_factory=lambda: deque(maxlen=SHOWN_EVENTS))
    connections: list[Connection] = field(default_factory=list)

    def note(self, who: str, what: str) -> None:
        self.events.append(f"{self.clock.now():7.2f} {who} {what}")

    def fault(self, rule: str, what: str) -> None:
        """Note a violation, and say it at once."""
        violation = Violation(self.clock.now(), self.name, rule, what, list(self.events))
        print(f"VIOLATION {violation}", flush=True)
        self.violations.append(violation)
