"""A run of the chaos: rounds of users who move while something breaks, and of calm in which the rules are checked."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

import msgspec

from tests.chaos.cable import SlowCable
from tests.chaos.faults import FAULTS, Fault, worker
from tests.chaos.pair import Pair
from tests.chaos.record import Clock, PairRecord, Violation
from tests.chaos.rules import (
    MAX_MORE_DESCRIPTORS,
    MAX_MORE_KIB,
    false_byes,
    lost_words,
    replaced_by_nobody,
    unsettled,
)
from tests.driver import Server
from tests.redis_server import Redis
from tests.soak.crowd import audit
from tests.soak.soak import faults_in_log
from tests.soak.vitals import children, descriptors, resident
from tests.waiting import TIMEOUT

PAIRS = 12
TWO_AT_ONCE_PART = 0.25
NEW_PAIR_PART = 0.15
MAX_VIOLATIONS = 40
_LOOK_SECONDS = 0.1
_SHOWN_AFTER = 1.0


@dataclass
class Round:
    """What breaks in a round.

    Attributes:
        ended: the hosts whose worker ended.
    """

    faults: list[Fault] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    @property
    def broken(self) -> bool:
        """Whether anything is that joins and messages between hosts need."""
        return any(fault.kind != "client" for fault in self.faults)

    def worker_ended(self, host: int) -> bool:
        """Tell if a worker of this host was killed, or told to end."""
        return host in self.ended


class ChaosRun:
    """All there is of one run.

    Attributes:
        cable: between the first host and Redis.
        storm: set while users move and talk.
    """

    def __init__(self, hosts: list[Server], redis: Redis, cable: SlowCable, seed: int) -> None:
        self.hosts, self.redis, self.cable = hosts, redis, cable
        self.clock, self.storm, self.round = Clock(), asyncio.Event(), Round()
        self.violations: list[Violation] = []
        self.pairs: list[Pair] = []
        self.counts: Counter[str] = Counter()
        self.by_fault: dict[str, Counter[str]] = {fault.name: Counter() for fault in FAULTS}
        self._seed, self._dice = seed, random.Random(seed)
        self._numbers = itertools.count(1)
        self._rules = PairRecord("all", self.clock, self.violations)
        self._registry_faults: set[str] = set()

    async def run(self, seconds: float) -> None:
        """Run rounds for so long, and let all leave."""
        first = [self._vitals(host) for host in range(len(self.hosts))]
        until = time.monotonic() + seconds
        self.pairs = [self._new_pair() for _ in range(PAIRS)]
        kinds = self._in_turns()
        while time.monotonic() < until and len(self.violations) < MAX_VIOLATIONS:
            before = Counter(violation.rule for violation in self.violations)
            self._begin_round(kinds)
            await self._break()
            await self._calm()
            for fault in self.round.faults:
                self.by_fault[fault.name]["rounds"] += 1
                self.by_fault[fault.name] += Counter(violation.rule for violation in self.violations) - before
        await self._end(first)

    def _in_turns(self) -> Iterator[Fault]:
        """Return all faults again and again, each time in another order."""
        return itertools.chain.from_iterable(self._dice.sample(FAULTS, len(FAULTS)) for _ in itertools.count())

    def _new_pair(self) -> Pair:
        number = next(self._numbers)
        return Pair(self, number, random.Random(f"{self._seed} {number}"))

    def _begin_round(self, kinds: Iterator[Fault]) -> None:
        fault = next(kinds)
        others = [other for other in FAULTS if other.kind != fault.kind]
        second = [self._dice.choice(others)] if self._dice.random() < TWO_AT_ONCE_PART else []
        self.round = Round([fault, *second])
        for pair in self.pairs:
            pair.begin_round()

    # The storm.

    async def _break(self) -> None:
        self.storm.set()
        await asyncio.sleep(self._dice.uniform(0.5, 2))
        await asyncio.gather(*map(self._break_one, self.round.faults))
        await asyncio.sleep(self._dice.uniform(0.5, 3))
        self.storm.clear()

    async def _break_one(self, fault: Fault) -> None:
        begin = self.clock.now()
        for pair in self.pairs:
            pair.record.note("FAULT", fault.name)
        try:
            details = await fault.run(self, self._dice)
        except (OSError, AssertionError) as error:
            # The other fault of this round was in its way.
            details = f"not possible: {error!r}"
        for pair in self.pairs:
            pair.record.note("MENDED", fault.name)
        print(f"{begin:7.2f} to {self.clock.now():7.2f} {fault.name}{': ' * bool(details)}{details}", flush=True)

    # The calm.

    async def _calm(self) -> None:
        for pair in self.pairs:
            await pair.still()
        begin = time.monotonic()
        await self._settle()
        self.counts["settled"] += 1
        self.counts["settle milliseconds"] += int(1_000 * (time.monotonic() - begin))
        for _ in range(2):
            # The answer to the second comes behind all that came of the words before the first.
            await asyncio.gather(*map(self._talk, self.pairs))
        for pair in self.pairs:
            self._judge(pair)
        for host in self.hosts:
            for fault in faults_in_log(host):
                self._rules.fault("log", fault)
        await self._renew(self._dice.random() < NEW_PAIR_PART for _ in range(PAIRS))

    async def _settle(self) -> None:
        limit = time.monotonic() + TIMEOUT
        while True:
            wrong = {pair.name: found for pair in self.pairs if (found := unsettled(pair.users))}
            registry = [] if wrong else await self._registry()
            if not (wrong or registry):
                return
            if time.monotonic() > limit:
                break
            await asyncio.sleep(_LOOK_SECONDS)
            for connection in (c for pair in self.pairs for user in pair.users for c in user.live):
                if not connection.answered:
                    # The last ping may have been over the rate.
                    await connection.ping()
        for pair in self.pairs:
            for rule, what in wrong.get(pair.name, []):
                pair.record.fault(rule, what)
        for what in set(registry) - self._registry_faults:
            self._registry_faults.add(what)
            self._rules.fault("registry", what)
        # What is wrong with them is said once.
        await self._renew(pair.name in wrong for pair in self.pairs)

    async def _registry(self) -> list[str]:
        """Return how Redis, the health of each host and the users disagree."""
        live = [connection for pair in self.pairs for user in pair.users for connection in user.live]
        here = {connection.id for connection in live}
        rooms = sum(any(user.live for user in pair.users) for pair in self.pairs)
        expected = {"status": "ok", "connections": len(live), "rooms": rooms}
        wrong = []
        for number, host in enumerate(self.hosts):
            try:
                health = await asyncio.to_thread(host.health)
                told = {name: health[name] for name in expected}
            except OSError as error:
                told = {"status": repr(error)}
            if told != expected:
                wrong.append(f"/healthz of host {number} says {told}, and it is {expected}")
        try:
            return wrong + await asyncio.to_thread(audit, self.redis, here)
        except (OSError, msgspec.DecodeError) as error:
            return [*wrong, f"Redis cannot be asked: {error!r}"]

    async def _talk(self, pair: Pair) -> None:
        live = [user.live for user in pair.users]
        for mine, others in zip(live, reversed(live), strict=True):
            if len(mine) == len(others) == 1 and (word := await mine[0].say()):
                limit = time.monotonic() + TIMEOUT
                while not (word.heard and mine[0].answered):
                    if mine[0].ended is not None or others[0].ended is not None:
                        break
                    if time.monotonic() > limit:
                        pair.record.fault("talk", f"{others[0].label} does not hear {mine[0].label}")
                        break
                    await asyncio.sleep(0.01)

    def _judge(self, pair: Pair) -> None:
        connections = pair.record.connections
        words = [word for connection in connections for word in connection.words]
        self.counts["messages"] += len(words)
        self.counts["heard"] += sum(word.heard for word in words)
        self.counts["errors"] += sum(len(connection.errors) for connection in connections)
        self.counts["connections"] += len(connections)
        self.counts["byes"] += sum(len(connection.byes) for connection in connections)
        if lost := lost_words(connections):
            self.counts["lost"] += len(lost)
            lost.sort(key=attrgetter("sent"))
            first, last = lost[0], lost[-1]
            pair.record.fault(
                "loss",
                f"{len(lost)} of {len(words)} messages were lost in silence: {first.number} of {first.connection} at "
                f"{first.sent:.2f} to {last.number} of {last.connection} at {last.sent:.2f}",
                first.sent + _SHOWN_AFTER,
            )
        for what in false_byes(connections):
            self.counts["false byes"] += 1
            if not self.round.broken:
                pair.record.fault("false bye", what)
        for user in pair.users:
            for connection in replaced_by_nobody(user.connections):
                what = f"{user.name} {connection.label} was told replaced, and no other connection has its place"
                pair.record.fault("end", what, connection.replaced_at + _SHOWN_AFTER)

    async def _renew(self, chosen: Iterable[bool]) -> None:
        """Put new pairs into the places of those chosen."""
        for at, is_chosen in enumerate(chosen):
            if is_chosen:
                await self.pairs[at].end()
                self.pairs[at] = self._new_pair()

    # The end.

    def _vitals(self, host: int) -> tuple[int, int]:
        pid = worker(self, host)
        return descriptors(pid), resident(pid)

    async def _end(self, first: list[tuple[int, int]]) -> None:
        for pair in self.pairs:
            await pair.end()
        self.pairs = []
        limit = time.monotonic() + TIMEOUT
        while wrong := [*await self._registry(), *await self._left_over(first)]:
            if time.monotonic() > limit:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        for what in wrong:
            self._rules.fault("registry", f"when all have left: {what}")

    async def _left_over(self, first: list[tuple[int, int]]) -> list[str]:
        wrong = []
        # The marks of ended calls expire by themselves.
        names = [name for name in await asyncio.to_thread(self.redis.names) if ":ended:" not in name]
        if names != ["signaling:{0}:workers"]:
            wrong.append(f"Redis has the keys {names}")
        for host, (files, kib) in enumerate(first):
            now_files, now_kib = self._vitals(host)
            if now_files > files + MAX_MORE_DESCRIPTORS:
                wrong.append(f"the worker of host {host} has {now_files} descriptors, {files} at first")
            if now_kib > kib + MAX_MORE_KIB:
                wrong.append(f"the worker of host {host} has {now_kib} KiB, {kib} at first")
            if (count := len(children(self.hosts[host].process.pid))) != 1:
                wrong.append(f"host {host} has {count} workers")
        return wrong
