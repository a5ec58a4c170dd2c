"""What is measured: each scenario is one job of the load against each of its servers, and the figures read from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

PEERS = ("ours", "node", "flask_sock", "socketio", "peerjs")
Step = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """One row of the table: which result of which of the steps that the job measured."""

    title: str
    unit: str
    key: str
    step: int = -1
    added: bool = False  # compared by what it is more, not by how many times as much


@dataclass(frozen=True)
class Scenario:
    """A job for load.py, the servers it is for, of which the first is compared with the others, and its figures.

    A job's `shares` are of the rate at which the server `saturated` is. The servers run `together`, and the load goes
    to and fro between them, unless all their connections are too many for it. Of `twins` each is beside one of its own
    kind, which has nothing to do but the same.
    """

    job: dict[str, Any]
    figures: tuple[Figure, ...]
    tls: bool = False
    servers: tuple[str, ...] = ("ours", "node")
    saturated: str = "node"
    together: bool = True
    twins: bool = False


@dataclass(frozen=True)
class Sizes:
    """How much of everything: seconds, connections, and shares of the saturation rate."""

    warm: float = 1.0
    seconds: float = 0.3
    turns: int = 12
    idle: tuple[int, ...] = (0, 1000, 3000, 10000)
    calls: int = 400
    connect_pairs: int = 500
    storm: int = 10000
    memory: int = 10000
    memory_tls: int = 4000
    peers_memory: int = 2000
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)


FULL = Sizes()
QUICK = Sizes(0.7, 0.2, 4, (0, 2000), 100, 150, 1000, 2000, 1000, 500, (0.25, 0.5, 0.75))


def scenarios(sizes: Sizes) -> dict[str, Scenario]:
    """All scenarios by name."""
    time = {"warm": sizes.warm, "turns": sizes.turns, "seconds": sizes.seconds}
    half = sizes.shares.index(0.5)
    made: dict[str, Scenario] = {}

    for tls, transport in ((False, "plain"), (True, "TLS")):
        made["call-tls" if tls else "call"] = Scenario(
            {"kind": "call", "calls": sizes.calls},
            (
                Figure(f"a whole call, {transport}", "calls/s of a core", "calls"),
                Figure(f"a whole call, {transport}", "µs CPU", "cost_us"),
            ),
            tls,
        )
        made["peers-call-tls" if tls else "peers-call"] = replace(made["call-tls" if tls else "call"], servers=PEERS)

    for tls, transport in ((False, "plain"), (True, "TLS")):
        suffix = "-tls" if tls else ""
        servers = ("ours", "node") if tls else ("ours", "node", "c")

        for name, payload, title in (("relay", "candidate", "250-byte candidate"), ("offer", "offer", "3.6 KB offer")):
            made[name + suffix] = Scenario(
                {"kind": "relay", "payload": payload} | time,
                (
                    Figure(f"relay of a {title}, {transport}", "µs CPU", "cost_us"),
                    Figure(f"relay of a {title}, {transport}", "messages/s", "rate"),
                ),
                tls,
                servers,
            )

        made["connect" + suffix] = Scenario(
            {"kind": "connect", "pairs": sizes.connect_pairs},
            (Figure(f"connect and join, {transport}{', new session' if tls else ''}", "µs CPU", "cost_us"),),
            tls,
        )

        count = sizes.memory_tls if tls else sizes.memory
        made["memory" + suffix] = Scenario(
            {"kind": "memory", "pairs": count // 2},
            (
                Figure(f"memory of a connection, {transport}, {count:,} joined", "KiB PSS", "kib"),
                Figure(f"memory of the server with 100 joined, {transport}", "MiB PSS", "start_mib"),
            ),
            tls,
            together=False,
        )

        made["latency" + suffix] = Scenario(
            {"kind": "paced", "shares": sizes.shares} | time,
            (
                Figure(f"median latency at half of Node.js's saturation, {transport}", "µs", "p50_us", half),
                Figure(f"p99 latency at half of Node.js's saturation, {transport}", "µs", "p99_us", half),
            ),
            tls,
        )

    made["resume-tls"] = Scenario(
        {"kind": "resume", "clients": 2 * sizes.connect_pairs},
        (
            Figure("connect and join, TLS, resumed session", "µs CPU", "cost_us"),
            Figure("connect and join, TLS, new session, by the same client", "µs CPU", "new_cost_us"),
            Figure("connect and join, TLS, resumed session, of a new one", "times", "of_new"),
            Figure("sessions that were resumed, of those that tried", "%", "resumed"),
        ),
        tls=True,
        servers=("ours", "node", "workers"),
    )

    came = f"{sizes.storm:,} TLS clients come at once"
    made["storm-tls"] = Scenario(
        {"kind": "storm", "clients": sizes.storm},
        (
            Figure(f"{came}: until all have joined", "s", "seconds"),
            Figure(f"{came}: a join", "µs CPU", "cost_us"),
            *(
                Figure(f"{came}: {what}, {figure}", "ms", f"{key}_{figure}_ms")
                for key, what in (("before", "latency of calls that go on, before"), ("during", "the same, meanwhile"))
                for figure in ("p50", "p99", "max")
            ),
            Figure(f"{came}: longest GET of the health page", "ms", "health_max_ms"),
            Figure(f"{came}: error of the latencies (an echo), p99", "ms", "echo_p99_ms"),
        ),
        tls=True,
        together=False,
    )

    # What a team would pick in its place.
    for name, job, figures in (
        (
            "peers-relay",
            {"kind": "relay"} | time,
            (Figure("relay of a 250-byte candidate, plain", "µs CPU", "cost_us"),),
        ),
        (
            "peers-connect",
            {"kind": "connect", "pairs": sizes.connect_pairs},
            (Figure("connect and join, plain", "µs CPU", "cost_us"),),
        ),
        (
            "peers-memory",
            {"kind": "memory", "pairs": sizes.peers_memory // 2},
            (Figure(f"memory of a connection, plain, {sizes.peers_memory:,} joined", "KiB PSS", "kib"),),
        ),
    ):
        made[name] = Scenario(job, figures, servers=PEERS, together=name != "peers-memory")

    made["guards"] = Scenario(
        {"kind": "relay"} | time,
        (Figure("relay of a candidate with every limit and gauge on, and off", "µs CPU", "cost_us"),),
        servers=("ours", "bare"),
    )

    made["debug"] = Scenario(
        {"kind": "relay"} | time,
        (Figure("relay of a candidate with a log at debug level, and at the default", "µs CPU", "cost_us"),),
        servers=("debug", "ours"),
    )

    # What an app costs that names its users, decides each join and hears of each call.
    made["rules"] = Scenario(
        {"kind": "relay"} | time,
        (Figure("relay of a candidate in an app with rules and receivers", "µs CPU", "cost_us"),),
        servers=("rules", "app"),
    )
    made["connect-rules"] = Scenario(
        {"kind": "connect", "pairs": sizes.connect_pairs},
        (Figure("connect and join in an app with rules and receivers", "µs CPU", "cost_us"),),
        servers=("rules", "app"),
    )

    # What Redis costs: between two workers, inside one, and at a join.
    between = "between two workers"
    made["across"] = Scenario(
        {"kind": "relay"} | time,
        (
            Figure(f"relay of a candidate {between}, and inside one", "µs CPU", "cost_us"),
            Figure(f"relay of a candidate {between}: of that Redis", "µs CPU", "redis_cost_us"),
            Figure(f"relay of a candidate {between}, and inside one", "messages/s", "rate"),
        ),
        servers=("across", "inside", "ours"),
    )
    made["inside"] = Scenario(
        {"kind": "relay"} | time,
        (Figure("relay of a candidate inside a worker that has a Redis", "µs CPU", "cost_us"),),
        servers=("inside", "ours"),
    )
    made["connect-across"] = Scenario(
        {"kind": "connect", "pairs": sizes.connect_pairs},
        (
            Figure(f"connect and join {between}, and inside one", "µs CPU", "cost_us"),
            Figure(f"connect and join {between}: of that Redis", "µs CPU", "redis_cost_us"),
        ),
        servers=("across", "inside", "ours"),
    )
    made["latency-across"] = Scenario(
        {"kind": "paced", "shares": sizes.shares} | time,
        (
            Figure(f"median latency {between}, at half of their saturation", "µs", "p50_us", half, added=True),
            Figure(f"p99 latency {between}, at half of their saturation", "µs", "p99_us", half, added=True),
        ),
        servers=("across", "inside"),
        saturated="across",
    )

    beside = f"beside {sizes.idle[-1]:,} idle connections, plain"
    made["idle"] = Scenario(
        {"kind": "relay", "idle": sizes.idle} | time,
        (
            Figure(f"relay of a candidate {beside}", "µs CPU", "cost_us"),
            Figure(f"cost {beside}, of that without", "times", "growth"),
        ),
        servers=("ours", "node", "c"),
        together=False,
        twins=True,
    )
    return made
