"""What the pairs of one server say to each other: as much as it can carry, or as much as is asked for."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from connections import MICROSECONDS, Client, Load

Pairs = list[tuple[Client, Client]]


class Traffic(Protocol):
    """It begins and ceases again and again."""

    load: Load

    def begin(self) -> None: ...

    def cease(self) -> None: ...

    def forget(self) -> None:
        """Let go of what was noted so far."""

    def noted(self) -> dict[str, Any]:
        """Return the figures of this kind of traffic alone."""


class Rally:
    """Ping-pong: one message in flight in each pair."""

    def __init__(self, load: Load, pairs: Pairs, payload: str) -> None:
        self.load = load
        self._pairs, self._payload = pairs, payload

    def begin(self) -> None:
        for pair in self._pairs:
            for client in pair:
                data = client.payload(self._payload)
                client.expect(len(data), partial(client.send, data))
            pair[0].send(pair[0].payload(self._payload))

    def cease(self) -> None:
        for client in itertools.chain(*self._pairs):
            client.expect(0, _nothing)

    def forget(self) -> None:
        pass

    def noted(self) -> dict[str, Any]:
        return {}


class Stream:
    """Open loop: messages fall due at random (Poisson) at a rate, whether or not earlier ones have arrived.

    Latency counts from the moment a message was due, so a server that stalls pays for all that fell due meanwhile.
    The client spins to send in time.
    """

    def __init__(self, load: Load, pairs: Pairs, payload: str) -> None:
        self.load = load
        self.rate = 0.0
        self._goes_on = False
        self._upcoming = 0.0
        self._latencies = list[float]()
        self._lateness = list[float]()
        clients = list(itertools.chain(*pairs))
        due = {client: deque[float]() for client in clients}  # of the messages under way to each
        for client in clients:
            client.expect(len(client.payload(payload)), self._arrival(due[client]))
        self._turns = itertools.cycle(
            (partial(client.send, client.payload(payload)), due[client.peer].append) for client in clients
        )

    def begin(self) -> None:
        self._goes_on = True
        self._upcoming = time.perf_counter()
        self._spin()

    def cease(self) -> None:
        self._goes_on = False

    def forget(self) -> None:
        self._latencies.clear()
        self._lateness.clear()

    def noted(self) -> dict[str, Any]:
        return {
            "offered": self.rate,
            "p50_us": quantile(self._latencies, 0.50) * MICROSECONDS,
            "p99_us": quantile(self._latencies, 0.99) * MICROSECONDS,
            "late_us": quantile(self._lateness, 0.99) * MICROSECONDS,
        }

    def _arrival(self, due: deque[float]) -> Callable[[], None]:
        oldest, note, clock = due.popleft, self._latencies.append, time.perf_counter
        return lambda: note(clock() - oldest())

    def _spin(self) -> None:
        if not self._goes_on:
            return
        now = time.perf_counter()
        while self._upcoming <= now:
            send, note = next(self._turns)
            note(self._upcoming)
            send()
            self._lateness.append(now - self._upcoming)
            self._upcoming += random.expovariate(self.rate)
        self.load.loop.call_soon(self._spin)


def _nothing() -> None:
    pass


def quantile(seconds: list[float], share: float) -> float:
    """Return the value below which that share of them is, 1 for the greatest."""
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]
