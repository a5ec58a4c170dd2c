"""Compares this server with a Node.js server of the same design and with a C relay. README.md says how."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import figure
import report
from programs import HERE, PROJECT, UnavailableError
from scenarios import FULL, QUICK, Scenario, Step, scenarios
from servers import Server, Servers

LOAD_SECONDS = 600  # no job of the load may take longer

LIMITS = {"server": "", "neither": "", "client": "the client was the limit"}  # seen without the server's CPU


def main() -> None:
    options = _options()
    try:
        text = _elsewhere(options) if options.url else _compare(options)
    except (UnavailableError, RuntimeError) as error:
        raise SystemExit(f"bench: {error}") from None
    print(text)
    if options.markdown:
        options.markdown.write_text(f"# The last benchmark\n\n{text}\n")


def _compare(options: argparse.Namespace) -> str:
    """Every scenario against every server in turn, round by round."""
    known = scenarios(QUICK if options.quick else FULL)
    wanted = {name: scenario for name, scenario in known.items() if name in (options.only or known)}
    if options.against:
        ours = {name: scenario for name, scenario in wanted.items() if scenario.servers[0] == "ours"}
        wanted = {name: replace(scenario, servers=("ours", "other")) for name, scenario in ours.items()}
    needed = {job["idle"][-1] for scenario in wanted.values() if "idle" in (job := scenario.job)}
    _check_descriptors(max(needed, default=0))
    results: report.Results = {name: {server: [] for server in scenario.servers} for name, scenario in wanted.items()}
    names = {server for scenario in wanted.values() for server in scenario.servers}
    with Servers.prepared(names, dict(options.env), options.against or PROJECT) as servers:
        saturation: dict[tuple[str, bool], float] = {}
        for number in range(options.rounds):
            for name, scenario in wanted.items():
                job = _job(scenario, servers, saturation)
                order = scenario.servers[:: -1 if number % 2 else 1]
                for kinds in [order] if scenario.together else [(kind,) for kind in order]:
                    _say(f"round {number + 1} of {options.rounds}: {name}, {' and '.join(kinds)}")
                    with ExitStack() as running:
                        started = [
                            running.enter_context(servers.running(kind, scenario.tls))
                            for kind in kinds * (2 if scenario.twins else 1)
                        ]
                        for kind, steps in zip(kinds, _load(job, started), strict=not scenario.twins):
                            results[name][kind].append(steps)
    text = f"{report.tables(results, wanted)}\n\n{report.context(options.rounds)}"
    # After the revision was looked at: the figure may be a file of it.
    if options.figure:
        figure.draw(results, options.figure)
    return text


def _job(scenario: Scenario, servers: Servers, saturation: dict[tuple[str, bool], float]) -> dict[str, Any]:
    """The scenario's job; shares of a server's saturation become rates, the same for every server and round."""
    job = dict(scenario.job)
    if shares := job.pop("shares", None):
        key = scenario.saturated, scenario.tls
        if key not in saturation:
            _say(f"how much {scenario.saturated} can relay, {'TLS' if scenario.tls else 'plain'}")
            with servers.running(*key) as server:
                step = _load({"kind": "relay"}, [server])[0][0]
            saturation[key] = step["rate"] / min(1, step["server_busy"])
        job["rates"] = [share * saturation[key] for share in shares]
    return job


def _elsewhere(options: argparse.Namespace) -> str:
    """Throughput and latency of the server at a URL; its CPU cannot be seen from here."""
    server = {"urls": options.url, "verify": not options.insecure}
    target: dict[str, Any] = {"servers": [server], "pairs": options.pairs}
    _say(f"{options.pairs} pairs, one message in flight in each")
    [[full]] = _run({"kind": "relay"} | target)
    _say("latency at a quarter, a half and three quarters of that")
    [paced] = _run({"kind": "paced", "rates": [full["rate"] * share for share in (0.25, 0.5, 0.75)]} | target)
    rows = [(full["rate"], "one in flight in each pair", f"{options.pairs / full['rate'] * 1e3:.2f} (mean)", "-", full)]
    rows += [(s["offered"], "paced", f"{s['p50_us'] / 1e3:.2f}", f"{s['p99_us'] / 1e3:.2f}", s) for s in paced]
    return "\n".join(
        (
            f"{' and '.join(options.url)}, {options.pairs} pairs, 250-byte candidates",
            "",
            "| messages/s | load | median latency, ms | p99, ms | |",
            "| ---: | --- | ---: | ---: | --- |",
            *(
                f"| {rate:,.0f} | {load} | {p50} | {p99} | {LIMITS[step['limit']]} |"
                for rate, load, p50, p99, step in rows
            ),
        )
    )


def _load(job: dict[str, Any], servers: Sequence[Server]) -> list[list[Step]]:
    """Run one job against the servers: the steps of each."""
    return _run(job | {"servers": [asdict(server) for server in servers]})


def _run(job: dict[str, Any]) -> list[list[Step]]:
    """Run one job of the load in a process of its own: its steps, for each server."""
    command = [sys.executable, str(HERE / "load.py"), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr.strip()[-2000:]}")
    steps: list[list[Step]] = json.loads(done.stdout)
    return steps


def _check_descriptors(connections: int) -> None:
    """Let this process and those it starts open enough files."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < connections + 500:
        raise UnavailableError(
            f"{connections:,} connections need more open files than the limit of {most:,} (ulimit -Hn)"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, a few minutes in all")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (3; 1 with --quick)")
    parser.add_argument("--only", action="append", choices=list(scenarios(FULL)), help="this scenario; can be repeated")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=_setting,
        help="a setting for this server; can be repeated",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="compare with the server of another checkout in place of others"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there as well")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw cost and latency there (.svg, .png)")
    parser.add_argument(
        "--url",
        action="append",
        help="measure the server at this ws:// or wss:// URL in place of the comparison; given twice, one end of each "
        "pair is at the first and the other at the second",
    )
    parser.add_argument("--pairs", type=int, default=50, help="with --url: how many pairs (50)")
    parser.add_argument("--insecure", action="store_true", help="with --url: do not verify its certificate")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    if options.figure and options.against:
        parser.error("--figure draws this server beside others, not beside another checkout")
    if options.figure and options.only and not set(options.only) & set(figure.SCENARIOS):
        parser.error(f"--figure needs one of the scenarios {', '.join(figure.SCENARIOS)}")
    return options


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("it must be NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
