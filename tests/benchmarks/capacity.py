"""How many workers, hosts and shards of Redis a number of users takes: arithmetic on what was measured.

    python -m tests.benchmarks.capacity
    python -m tests.benchmarks.capacity --users 300000 --calls-an-hour 2 --simulate

It needs nothing but Python. ``population.py`` beside it plays the same through event by event, for a population of a
smaller size; the two must agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

MICRO = 1e-6

PING_SECONDS = 25
"""From one WebSocket ping to the next, by default."""

ASK_SECONDS = 20
"""From one ``ping`` of the browser client to the next."""

HEARTBEATS = 10
"""How often a worker tells Redis within the node timeout that it is there."""

PARTITIONS = 64
"""Into how many parts the rooms are divided in a cluster; each worker tells each of them that it is there."""

FIRST_RETRY_SECONDS = 0.0, 0.5
"""When the browser client comes back, at random, after its connection broke."""

SURVEY_TIMEOUT = 15
"""How long it waits to be let in before it tries again."""


@dataclass(frozen=True)
class Costs:
    """What was measured; µs of CPU unless it says otherwise. See docs/scaling.md for where each is from."""

    connect: float = 1526.0
    """A TLS handshake, a WebSocket handshake, a join."""
    leave: float = 406.0
    """A departure, and the end of its connection."""
    join_shared: float = 298.0
    """What a join and a departure are more where the rooms are in Redis."""
    candidate: float = 16.7
    offer: float = 22.6
    crossed: float = 6.2
    """What passing a message on to another worker is more than inside one, both workers together."""
    ping: float = 36.2
    """A WebSocket ping and its pong."""
    ask: float = 23.1
    """A ``ping`` of the browser client and its answer."""
    beat: float = 613.0
    """A worker's own part of a heartbeat to Redis, for which it wakes up."""
    beat_more: float = 21.7
    """The same for each further partition."""
    redis_join: float = 71.9
    """Of Redis, for a join and a departure."""
    redis_published: float = 14.6
    """Of Redis, for what it passes on to another worker: a message, or news of a room."""
    redis_beat: float = 29.0
    redis_beat_each: float = 1.95
    """What a heartbeat is more for each worker there is."""
    connection_kib: float = 28.1
    worker_mib: float = 65.1
    seat_bytes: float = 418.0
    """Of Redis, for a user in a room."""

    def beats(self, partitions: int) -> float:
        """Return what a worker spends when it tells so many partitions that it is there."""
        return self.beat + (partitions - 1) * self.beat_more


@dataclass(frozen=True)
class Load:
    """What users do in the busiest hour.

    Everybody is connected, and in the room of the next call. A call is a fresh connection for either end: the first
    waits there for the second, both speak, both go.
    """

    users: int = 1_000_000
    calls_an_hour: float = 6.0
    """Of each user."""
    call_seconds: float = 480.0
    wait_seconds: float = 10.0
    offers: int = 2
    """Descriptions in a call, of both ends together."""
    candidates: int = 50

    def __post_init__(self) -> None:
        if self.busy > self.users:
            raise ValueError("calls take up more time than there is: fewer calls an hour, or shorter ones")

    @property
    def calls(self) -> float:
        """Calls that begin each second."""
        return self.users * self.calls_an_hour / 3600 / 2

    @property
    def busy(self) -> float:
        """Users who speak, or wait for somebody who is about to come (Little's law)."""
        return self.calls * (2 * self.call_seconds + self.wait_seconds)

    @property
    def messages(self) -> int:
        """Messages of a call."""
        return self.offers + self.candidates


@dataclass(frozen=True)
class Plan:
    """What it runs on."""

    hosts: int = 14
    workers_each: int = 8
    most_connections: int = 10_000
    """Of a worker, ``SIGNALING_MAX_CONNECTIONS``."""
    sharded: bool = False
    """Whether the load balancer puts both ends of a pair to one worker."""
    partitions: int = 1
    node_timeout: float = 10.0
    most_load: float = 0.5

    @property
    def workers(self) -> int:
        """All of them."""
        return self.hosts * self.workers_each

    @property
    def shared(self) -> bool:
        """Whether there is a Redis."""
        return self.workers > 1

    @property
    def apart(self) -> float:
        """The probability that the two ends of a pair are at different workers."""
        return 0.0 if self.sharded else 1 - 1 / self.workers

    @property
    def beats(self) -> float:
        """Heartbeats to Redis in a second, one for each partition."""
        return self.workers * self.partitions * HEARTBEATS / self.node_timeout if self.shared else 0.0


@dataclass(frozen=True)
class Needs:
    """What a load takes of a plan, each second."""

    joins_cpu: float
    """Cores of the workers, for connecting, joining and leaving."""
    messages_cpu: float
    pings_cpu: float
    beats_cpu: float
    scripts: float
    """Operations of Redis: joins and departures."""
    published: float
    """Operations of Redis: messages, and news of a room, to another worker."""
    beats: float
    redis_cpu: float
    """Cores of all of Redis together."""
    memory_gib: float
    """Of all workers together."""
    redis_mib: float

    @property
    def cpu(self) -> float:
        """Cores of the workers."""
        return self.joins_cpu + self.messages_cpu + self.pings_cpu + self.beats_cpu

    @property
    def operations(self) -> float:
        """Operations of Redis."""
        return self.scripts + self.published + self.beats

    @classmethod
    def of(cls, load: Load, plan: Plan, costs: Costs) -> Needs:
        """Return what ``load`` takes of ``plan``."""
        calls, apart, shared = load.calls, plan.apart, float(plan.shared)
        crossed = calls * load.messages * apart
        # The second one's coming, and the first one's going.
        news = calls * 2 * apart
        join = costs.connect + costs.leave + shared * costs.join_shared
        passing = load.offers * costs.offer + load.candidates * costs.candidate + load.messages * apart * costs.crossed
        redis_beat = costs.redis_beat + costs.redis_beat_each * plan.workers
        return cls(
            joins_cpu=calls * 2 * join * MICRO,
            messages_cpu=calls * passing * MICRO,
            pings_cpu=load.users * (costs.ping / PING_SECONDS + costs.ask / ASK_SECONDS) * MICRO,
            beats_cpu=plan.beats / plan.partitions * costs.beats(plan.partitions) * MICRO,
            scripts=shared * calls * 4,
            published=crossed + news,
            beats=plan.beats,
            redis_cpu=MICRO
            * (
                shared * calls * 2 * costs.redis_join
                + (crossed + news) * costs.redis_published
                + plan.beats * redis_beat
            ),
            memory_gib=load.users * costs.connection_kib / 1024**2 + plan.workers * costs.worker_mib / 1024,
            redis_mib=shared * load.users * costs.seat_bytes / 1024**2,
        )


@dataclass(frozen=True)
class Storm:
    """What becomes of the users of one host when it is lost."""

    users: float
    joins_a_second: float
    """As they come back."""
    seconds: float
    """Until the last of them is in again, or more than they have the patience for."""

    @classmethod
    def of(cls, load: Load, plan: Plan, costs: Costs) -> Storm:
        """Return what the other hosts make of it, with the part of their cores that is not taken otherwise."""
        users = load.users / plan.hosts
        first, last = FIRST_RETRY_SECONDS
        if plan.hosts == 1:
            return cls(users, users / (last - first), float("inf"))
        rest = replace(plan, hosts=plan.hosts - 1)
        free = rest.workers - Needs.of(load, rest, costs).cpu * (1 - 1 / plan.hosts)
        work = users * (costs.connect + costs.join_shared) * MICRO
        return cls(users, users / (last - first), max(first + work / free, last))


def planned(load: Load, costs: Costs, **given: object) -> Plan:
    """Return the plan with the fewest hosts that carries ``load``, with one host to spare where there are several."""
    hosts = 1
    while True:
        plan = replace(Plan(hosts=hosts), **given)  # type: ignore[arg-type]
        left = plan.workers - (plan.workers_each if hosts > 1 else 0)
        if load.users <= left * plan.most_connections and Needs.of(load, plan, costs).cpu <= left * plan.most_load:
            return plan
        hosts += 1


Row = tuple[str, Callable[[Load, Plan, Needs, Storm], str]]

ROWS: Sequence[Row] = (
    ("users connected", lambda load, plan, needs, storm: f"{load.users:,}"),
    ("calls that begin, a second", lambda load, plan, needs, storm: f"{load.calls:,.0f}"),
    ("hosts", lambda load, plan, needs, storm: f"{plan.hosts}"),
    ("workers", lambda load, plan, needs, storm: f"{plan.workers}"),
    ("connections of a worker", lambda load, plan, needs, storm: f"{load.users / plan.workers:,.0f}"),
    ("memory of a host, GiB", lambda load, plan, needs, storm: f"{needs.memory_gib / plan.hosts:.1f}"),
    ("cores that work: joins", lambda load, plan, needs, storm: f"{needs.joins_cpu:.2f}"),
    ("cores that work: messages", lambda load, plan, needs, storm: f"{needs.messages_cpu:.2f}"),
    ("cores that work: pings", lambda load, plan, needs, storm: f"{needs.pings_cpu:.2f}"),
    ("cores that work: heartbeats", lambda load, plan, needs, storm: f"{needs.beats_cpu:.2f}"),
    ("load of a worker", lambda load, plan, needs, storm: f"{needs.cpu / plan.workers:.0%}"),
    ("Redis: joins and departures, a second", lambda load, plan, needs, storm: f"{needs.scripts:,.0f}"),
    ("Redis: messages and news, a second", lambda load, plan, needs, storm: f"{needs.published:,.0f}"),
    ("Redis: heartbeats, a second", lambda load, plan, needs, storm: f"{needs.beats:,.0f}"),
    ("Redis: cores", lambda load, plan, needs, storm: f"{needs.redis_cpu:.2f}"),
    ("Redis: servers for that", lambda load, plan, needs, storm: f"{shards(plan, needs)}"),
    ("Redis: memory, MiB", lambda load, plan, needs, storm: f"{needs.redis_mib:,.0f}"),
    ("a host is lost: users who come back", lambda load, plan, needs, storm: f"{storm.users:,.0f}"),
    ("a host is lost: seconds until they are in", lambda load, plan, needs, storm: seconds(storm)),
)


def shards(plan: Plan, needs: Needs) -> int:
    """Return how many servers of one core each Redis takes."""
    return max(1, ceil(needs.redis_cpu / plan.most_load)) if plan.shared else 0


def seconds(storm: Storm) -> str:
    """Return how long a storm lasts, in words where it does not end by itself."""
    return f"{storm.seconds:.1f}" if storm.seconds < float("inf") else "until it is back"


def table(cases: Sequence[tuple[str, Load, Plan]], costs: Costs) -> str:
    """Return what each case takes, in Markdown."""
    heads = ["", *(name for name, _, _ in cases)]
    lines = [heads, ["---", *("---:" for _ in cases)]]
    worked = [(load, plan, Needs.of(load, plan, costs), Storm.of(load, plan, costs)) for _, load, plan in cases]
    lines += [[name, *(show(*each) for each in worked)] for name, show in ROWS]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def usual_cases(costs: Costs) -> list[tuple[str, Load, Plan]]:
    """Return those that docs/scaling.md shows."""
    few, some, more, many = (Load(users=users) for users in (5_000, 50_000, 80_000, 1_000_000))
    return [
        ("one worker", few, planned(few, costs, workers_each=1)),
        ("one host", some, planned(some, costs)),
        ("two hosts", more, replace(planned(more, costs), hosts=2)),
        ("many hosts", many, planned(many, costs)),
        ("by pair", many, planned(many, costs, sharded=True)),
        ("by pair, cluster", many, planned(many, costs, sharded=True, partitions=PARTITIONS)),
    ]


def main(arguments: Sequence[str]) -> None:
    """Print the table for what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.capacity", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, help="connected in the busiest hour")
    parser.add_argument("--calls-an-hour", type=float, default=Load.calls_an_hour, help="of each user (%(default)g)")
    parser.add_argument("--call-seconds", type=float, default=Load.call_seconds, help="of a call (%(default)g)")
    parser.add_argument("--workers", type=int, default=Plan.workers_each, help="of each host (%(default)d)")
    parser.add_argument("--most-connections", type=int, default=Plan.most_connections, help="of a worker (%(default)d)")
    parser.add_argument("--sharded", action="store_true", help="the balancer puts both ends of a pair to one worker")
    parser.add_argument("--cluster", action="store_true", help="Redis is a cluster")
    parser.add_argument("--node-timeout", type=float, default=Plan.node_timeout, help="in seconds (%(default)g)")
    parser.add_argument("--simulate", action="store_true", help="play a smaller population through as well")
    options = parser.parse_args(arguments)
    costs = Costs()
    if options.users is None:
        cases = usual_cases(costs)
    else:
        try:
            load = Load(options.users, options.calls_an_hour, options.call_seconds)
        except ValueError as error:
            parser.error(str(error))
        plan = planned(
            load,
            costs,
            workers_each=options.workers,
            most_connections=options.most_connections,
            sharded=options.sharded,
            partitions=PARTITIONS if options.cluster else 1,
            node_timeout=options.node_timeout,
        )
        cases = [("", load, plan)]
    print(table(cases, costs))
    if options.simulate:
        from .population import compared

        for name, load, plan in cases:
            print(f"\n{name or 'this'}, a smaller population, by arithmetic and event by event\n")
            print(compared(load, plan, costs))


if __name__ == "__main__":
    main(sys.argv[1:])
