"""Users who call each other, event by event: what ``capacity.py`` reckons, played through.

Calls begin at random (Poisson); each has its two ends, at workers of their own, its messages and its length; every
connection is pinged in its turn. What each event costs is charged to its worker and to Redis, and added up.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from .capacity import (
    ASK_SECONDS,
    FIRST_RETRY_SECONDS,
    HEARTBEATS,
    MICRO,
    PING_SECONDS,
    SURVEY_TIMEOUT,
    Costs,
    Load,
    Needs,
    Plan,
)

SETUP_SECONDS = 3.0
"""Within which the messages of a call are sent."""

MAX_RETRY_SECONDS = 30.0


class Clock:
    """What happens, in the order of its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Let it happen then."""
        heapq.heappush(self._due, (when, next(self._numbers), what))

    def run(self, until: float) -> None:
        """Let happen whatever is due before ``until``."""
        while self._due and self._due[0][0] < until:
            self.now, _, what = heapq.heappop(self._due)
            what()


@dataclass
class Tally:
    """What was spent, in seconds of CPU, and how often something happened."""

    workers: list[float]
    redis: float = 0.0
    calls: int = 0
    scripts: int = 0
    published: int = 0
    beats: int = 0
    connected: float = 0.0
    """Seconds of connections."""
    seconds: list[list[float]] = field(default_factory=list)
    """What each worker spent in each second."""


class Population:
    """A load on a plan, for a while."""

    def __init__(
        self,
        load: Load,
        plan: Plan,
        costs: Costs,
        seed: int = 1,
        length: Callable[[random.Random, float], float] = lambda chance, mean: chance.expovariate(1 / mean),
    ) -> None:
        """Make one; ``length`` draws how long a call lasts, given its mean."""
        self.load, self.plan, self.costs = load, plan, costs
        self._chance = random.Random(seed)
        self._length = length
        self._clock = Clock()
        self._end = 0.0
        self._tally = Tally([0.0] * plan.workers)

    def run(self, seconds: int) -> Tally:
        """Return what ``seconds`` of it take. It begins long before them, so that there are calls already."""
        self._end = float(seconds)
        self._tally.seconds = [[0.0] * seconds for _ in self._tally.workers]
        self._clock.now = -10 * (self.load.call_seconds + self.load.wait_seconds)
        self._next_call()
        idle = round(self.load.users - self.load.busy)
        for number in range(idle):
            self._stay(number % self.plan.workers, self._chance.uniform(-PING_SECONDS, 0), self._end)
        for worker in range(self.plan.workers if self.plan.shared else 0):
            self._clock.at(self._chance.uniform(0, self.plan.node_timeout / HEARTBEATS), partial(self._beat, worker))
        self._clock.run(self._end)
        return self._tally

    def _spend(self, worker: int, micros: float) -> None:
        if self._clock.now >= 0:
            self._tally.workers[worker] += micros * MICRO
            self._tally.seconds[worker][int(self._clock.now)] += micros * MICRO

    def _ask_redis(self, micros: float) -> None:
        if self._clock.now >= 0:
            self._tally.redis += micros * MICRO

    def _publish(self) -> None:
        self._ask_redis(self.costs.redis_published)
        self._tally.published += self._clock.now >= 0

    def _next_call(self) -> None:
        self._clock.at(self._clock.now + self._chance.expovariate(self.load.calls), self._call)

    def _call(self) -> None:
        """The first end of a call comes, and waits."""
        chance, now = self._chance, self._clock.now
        self._tally.calls += now >= 0
        one = chance.randrange(self.plan.workers)
        other = one if self.plan.sharded else chance.randrange(self.plan.workers)
        met = now + chance.expovariate(1 / self.load.wait_seconds)
        over = met + self._length(chance, self.load.call_seconds)
        self._join(one)
        self._stay(one, now, over)
        self._clock.at(met, partial(self._meet, one, other, over))
        self._next_call()

    def _meet(self, one: int, other: int, over: float) -> None:
        """The second end comes."""
        now, costs = self._clock.now, self.costs
        self._join(other)
        self._stay(other, now, over)
        if one != other:
            self._publish()
        # Those of calls from before all began are none.
        for number in range(self.load.messages if now >= -SETUP_SECONDS else 0):
            cost = costs.offer if number < self.load.offers else costs.candidate
            when = now + self._chance.uniform(0, SETUP_SECONDS)
            self._clock.at(when, partial(self._relay, *((one, other) if number % 2 else (other, one)), cost))
        self._clock.at(over, partial(self._leave, one, other, last=False))
        self._clock.at(over, partial(self._leave, other, one, last=True))

    def _join(self, worker: int) -> None:
        self._spend(worker, self.costs.connect)
        self._script(worker)

    def _script(self, worker: int) -> None:
        """Redis takes half of what it takes for a join and a departure, and so does the worker for Redis."""
        if self.plan.shared:
            self._spend(worker, self.costs.join_shared / 2)
            self._ask_redis(self.costs.redis_join / 2)
            self._tally.scripts += self._clock.now >= 0

    def _leave(self, worker: int, peers: int, *, last: bool) -> None:
        self._spend(worker, self.costs.leave)
        self._script(worker)
        if worker != peers and not last:
            self._publish()

    def _relay(self, sender: int, receiver: int, cost: float) -> None:
        if sender == receiver:
            self._spend(sender, cost)
        else:
            # Each does its half.
            for worker in (sender, receiver):
                self._spend(worker, (cost + self.costs.crossed) / 2)
            self._publish()

    def _stay(self, worker: int, since: float, until: float) -> None:
        """A connection is there, and is pinged."""
        self._tally.connected += max(0.0, min(until, self._end) - max(since, 0.0))
        for interval, cost in (PING_SECONDS, self.costs.ping), (ASK_SECONDS, self.costs.ask):
            first = since + interval
            if first < 0:
                # The pings before all began are none.
                first += -(first // interval) * interval
            self._ping(worker, first, interval, cost, until)

    def _ping(self, worker: int, when: float, interval: float, cost: float, until: float) -> None:
        if when < min(until, self._end):
            self._clock.at(when, partial(self._pinged, worker, interval, cost, until))

    def _pinged(self, worker: int, interval: float, cost: float, until: float) -> None:
        self._spend(worker, cost)
        self._ping(worker, self._clock.now + interval, interval, cost, until)

    def _beat(self, worker: int) -> None:
        costs, partitions = self.costs, self.plan.partitions
        self._tally.beats += partitions
        self._spend(worker, costs.beats(partitions))
        self._ask_redis(partitions * (costs.redis_beat + costs.redis_beat_each * self.plan.workers))
        self._clock.at(self._clock.now + self.plan.node_timeout / HEARTBEATS, partial(self._beat, worker))


def storm(users: int, workers: int, busy: float, cost: float, seed: int = 1) -> float:
    """Return the seconds until the last of ``users``, whose host was lost, is in at one of ``workers``.

    Each comes back after a random moment, to any of them; a worker lets one in after the other, with the part of its
    core that is not ``busy``. Who waits for too long gives up, and comes again, later each time; the worker, which
    learns of it too late, does the work all the same.
    """
    chance, clock = random.Random(seed), Clock()
    free = [0.0] * workers
    last = 0.0

    def come(failures: int) -> None:
        nonlocal last
        worker = chance.randrange(workers)
        free[worker] = max(free[worker], clock.now) + cost * MICRO / (1 - busy)
        if free[worker] - clock.now > SURVEY_TIMEOUT:
            again(clock.now + SURVEY_TIMEOUT, failures + 1)
        else:
            last = max(last, free[worker])

    def again(now: float, failures: int) -> None:
        first, most = FIRST_RETRY_SECONDS
        times = min(2**failures, MAX_RETRY_SECONDS / most)
        clock.at(now + chance.uniform(first, most) * times, partial(come, failures))

    for _ in range(users):
        again(0.0, 0)
    clock.run(float("inf"))
    return last


def smaller(load: Load, plan: Plan) -> tuple[Load, Plan]:
    """Return a part of it that is soon played through: at most four workers, with 1,000 users each."""
    part = replace(plan, hosts=1, workers_each=min(plan.workers, 4), partitions=min(plan.partitions, 4))
    return replace(load, users=min(load.users, 1_000 * part.workers)), part


def compared(load: Load, plan: Plan, costs: Costs, seconds: int = 600) -> str:
    """Return what arithmetic and events make of a smaller population, in Markdown."""
    load, plan = smaller(load, plan)
    needs = Needs.of(load, plan, costs)
    tally = Population(load, plan, costs).run(seconds)
    rows = [
        ("users connected", float(load.users), tally.connected / seconds),
        ("calls that begin, a second", load.calls, tally.calls / seconds),
        ("cores of the workers", needs.cpu, sum(tally.workers) / seconds),
        ("Redis: joins and departures, a second", needs.scripts, tally.scripts / seconds),
        ("Redis: messages and news, a second", needs.published, tally.published / seconds),
        ("Redis: heartbeats, a second", needs.beats, tally.beats / seconds),
        ("Redis: cores", needs.redis_cpu, tally.redis / seconds),
    ]
    busiest = max(max(worker) for worker in tally.seconds)
    lines = ["| | by arithmetic | event by event |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {reckoned:,.4g} | {played:,.4g} |" for name, reckoned, played in rows]
    lines.append(
        f"| load of a worker; in the busiest second of the busiest | {needs.cpu / plan.workers:.1%} | {busiest:.1%} |"
    )
    return "\n".join(lines)
