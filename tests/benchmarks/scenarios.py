"""What is measured: each scenario is one job of the load against each of its servers, and the figures read from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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
    section: str = ""


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
    peers_memory: int = 1000
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)


FULL = Sizes()
QUICK = Sizes(0.7, 0.2, 4, (0, 2000), 100, 150, 1000, 2000, 1000, 500, (0.25, 0.5, 0.75))


PEERS = ("ours", "node", "flask_sock", "socketio", "peerjs")


def scenarios(sizes: Sizes) -> dict[str, Scenario]:
    """All scenarios by name, section by section."""
    sections = {
        "Beside Node.js and a C relay": _beside_node(sizes),
        "Beside what a team would pick in its place": _beside_peers(sizes),
        "Limits, logs and rules": _with_more(sizes),
        "Several workers": _several_workers(sizes),
    }
    return {
        name: replace(scenario, section=section)
        for section, made in sections.items()
        for name, scenario in made.items()
    }


def _time(sizes: Sizes) -> dict[str, float]:
    return {"warm": sizes.warm, "turns": sizes.turns, "seconds": sizes.seconds}


def _call(sizes: Sizes, tls: bool, servers: tuple[str, ...]) -> Scenario:
    title = f"a whole call, {'TLS' if tls else 'plain'}"
    figures = Figure(title, "calls/s of a core", "calls"), Figure(title, "µs CPU", "cost_us")
    calls = sizes.calls if len(servers) == 2 else sizes.calls // 2
    return Scenario({"kind": "call", "calls": calls}, figures, tls, servers)


def _beside_node(sizes: Sizes) -> dict[str, Scenario]:
    made = {"call-tls": _call(sizes, True, ("ours", "node")), "call": _call(sizes, False, ("ours", "node"))}
    for tls, transport in ((False, "plain"), (True, "TLS")):
        suffix = "-tls" if tls else ""
        servers = ("ours", "node") if tls else ("ours", "node", "c")

        for name, payload, title in (("relay", "candidate", "250-byte candidate"), ("offer", "offer", "3.6 KB offer")):
            made[name + suffix] = Scenario(
                {"kind": "relay", "payload": payload} | _time(sizes),
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

        half = sizes.shares.index(0.5)
        made["latency" + suffix] = Scenario(
            {"kind": "paced", "shares": sizes.shares} | _time(sizes),
            (
                Figure(f"median latency at half of Node.js's saturation, {transport}", "µs", "p50_us", half),
                Figure(f"p99 latency at half of Node.js's saturation, {transport}", "µs", "p99_us", half),
            ),
            tls,
        )
    return made | {"resume-tls": _resume(sizes, ("ours", "node")), "storm-tls": _storm(sizes), "idle": _idle(sizes)}


def _resume(sizes: Sizes, servers: tuple[str, ...], where: str = "") -> Scenario:
    title = f"connect and join, TLS, resumed session{where}"
    return Scenario(
        {"kind": "resume", "clients": 2 * sizes.connect_pairs},
        (
            Figure(title, "µs CPU", "cost_us"),
            Figure(f"{title}, of a new one by the same client", "times", "of_new"),
            Figure(f"sessions that were resumed{where}, of those that tried", "%", "resumed"),
        ),
        True,
        servers,
    )


def _storm(sizes: Sizes) -> Scenario:
    came = f"{sizes.storm:,} TLS clients come at once"
    return Scenario(
        {"kind": "storm", "clients": sizes.storm},
        (
            Figure(f"{came}: until all have joined", "s", "seconds"),
            Figure(f"{came}: a join", "µs CPU", "cost_us"),
            *(
                Figure(f"{came}: {figure} latency of calls that go on, {when}", "ms", f"{when}_{figure}_ms")
                for when in ("before", "during")
                for figure in ("p50", "p99", "max")
            ),
            Figure(f"{came}: longest GET of the health page", "ms", "health_max_ms"),
            Figure(f"{came}: p99 of an echo, the error of these latencies", "ms", "echo_p99_ms"),
        ),
        tls=True,
        together=False,
    )


def _idle(sizes: Sizes) -> Scenario:
    beside = f"beside {sizes.idle[-1]:,} idle connections, plain"
    return Scenario(
        {"kind": "relay", "idle": sizes.idle} | _time(sizes),
        (
            Figure(f"relay of a candidate {beside}", "µs CPU", "cost_us"),
            Figure(f"cost {beside}, of that without", "times", "growth"),
        ),
        servers=("ours", "node", "c"),
        together=False,
        twins=True,
    )


def _beside_peers(sizes: Sizes) -> dict[str, Scenario]:
    count = sizes.peers_memory
    return {
        "peers-call-tls": _call(sizes, True, PEERS),
        "peers-relay": Scenario(
            {"kind": "relay"} | _time(sizes) | {"turns": sizes.turns // 2},
            (Figure("relay of a 250-byte candidate, plain", "µs CPU", "cost_us"),),
            servers=PEERS,
        ),
        "peers-connect": Scenario(
            {"kind": "connect", "pairs": sizes.connect_pairs // 2},
            (Figure("connect and join, plain", "µs CPU", "cost_us"),),
            servers=PEERS,
        ),
        "peers-memory": Scenario(
            {"kind": "memory", "pairs": count // 2},
            (Figure(f"memory of a connection, plain, {count:,} joined", "KiB PSS", "kib"),),
            servers=PEERS,
            together=False,
        ),
    }


def _with_more(sizes: Sizes) -> dict[str, Scenario]:
    """What watching costs, and a log at debug level; and an app that names users, decides joins and hears of calls."""
    return {
        "guards": Scenario(
            {"kind": "relay"} | _time(sizes),
            (Figure("relay of a candidate with every limit and gauge on, and off", "µs CPU", "cost_us"),),
            servers=("ours", "bare"),
        ),
        "debug": Scenario(
            {"kind": "relay"} | _time(sizes),
            (Figure("relay of a candidate with a log at debug level, and at its default", "µs CPU", "cost_us"),),
            servers=("debug", "ours"),
        ),
        "rules": Scenario(
            {"kind": "relay"} | _time(sizes),
            (Figure("relay of a candidate in an app with rules and receivers", "µs CPU", "cost_us"),),
            servers=("rules", "app"),
        ),
        "connect-rules": Scenario(
            {"kind": "connect", "pairs": sizes.connect_pairs},
            (Figure("connect and join in an app with rules and receivers", "µs CPU", "cost_us"),),
            servers=("rules", "app"),
        ),
    }


def _several_workers(sizes: Sizes) -> dict[str, Scenario]:
    """What Redis costs: between two workers, inside one, and at a join."""
    between, half = "between two workers", sizes.shares.index(0.5)
    return {
        "across": Scenario(
            {"kind": "relay"} | _time(sizes),
            (
                Figure(f"relay of a candidate {between}, and inside one", "µs CPU", "cost_us"),
                Figure(f"relay of a candidate {between}: of that Redis", "µs CPU", "redis_cost_us"),
                Figure(f"relay of a candidate {between}, and inside one", "messages/s", "rate"),
            ),
            servers=("across", "inside", "ours"),
        ),
        "inside": Scenario(
            {"kind": "relay"} | _time(sizes),
            (Figure("relay of a candidate inside a worker that has a Redis", "µs CPU", "cost_us"),),
            servers=("inside", "ours"),
        ),
        "connect-across": Scenario(
            {"kind": "connect", "pairs": sizes.connect_pairs},
            (
                Figure(f"connect and join {between}, and inside one", "µs CPU", "cost_us"),
                Figure(f"connect and join {between}: of that Redis", "µs CPU", "redis_cost_us"),
            ),
            servers=("across", "inside", "ours"),
        ),
        "latency-across": Scenario(
            {"kind": "paced", "shares": sizes.shares} | _time(sizes),
            (
                Figure(f"median latency {between}, at half of their saturation", "µs", "p50_us", half, added=True),
                Figure(f"p99 latency {between}, at half of their saturation", "µs", "p99_us", half, added=True),
            ),
            servers=("across", "inside"),
            saturated="across",
        ),
        "resume-across-tls": _resume(sizes, ("workers", "ours"), " at either of two workers"),
    }
