"""The results as Markdown tables, and what there is to know about how they came about."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median

from programs import HERE, PEERS, PROJECT
from scenarios import Figure, Scenario, Step

Results = dict[str, dict[str, list[list[Step]]]]  # scenario, server, round, step
OTHERS = {
    "node": "Node.js",
    "flask_sock": "flask-sock",
    "socketio": "Flask-SocketIO",
    "peerjs": "peerjs-server",
    "c": "C relay",
    "other": "another checkout",
    "bare": "all off",
    "app": "no rules",
    "inside": "inside a worker",
    "ours": "ours by default",
}
NOTES = {
    "client": ("*", "the client, not the server, was the limit: the server could do more; its cost holds"),
    "neither": ("†", "neither had its core full: something else used the machine, so the row is not to be trusted"),
}


def tables(results: Results, scenarios: dict[str, Scenario]) -> str:
    """One table for each section: a figure a row."""
    sections = dict.fromkeys(scenarios[name].section for name in results)
    marks: set[str] = set()
    parts = []
    for section in sections:
        of_section = {name: by_server for name, by_server in results.items() if scenarios[name].section == section}
        parts.append(f"## {section}\n\n{_table(of_section, scenarios, marks)}")
    notes = [f"`{sign}` {text}." for sign, text in NOTES.values() if sign in marks]
    return "\n\n".join([*parts, *notes])


def _table(results: Results, scenarios: dict[str, Scenario], marks: set[str]) -> str:
    """The median of the rounds, and in brackets the least and the greatest.

    The first server of a scenario is ours; the others have columns of their own, and how ours compares with them.
    """
    others = [other for other in OTHERS if any(other in list(by_server)[1:] for by_server in results.values())]
    head = ["figure", "unit", "ours"]
    for other in others:
        head += [OTHERS[other], f"ours / {OTHERS[other]}"]
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for name, by_server in results.items():
        first, *rest = by_server
        for figure in scenarios[name].figures:
            steps = {server: [steps[figure.step] for steps in rounds] for server, rounds in by_server.items()}
            values = {server: [step[figure.key] for step in series] for server, series in steps.items()}
            cells = {server: _spread(series) + _mark(steps[server], marks) for server, series in values.items()}
            row = [cells[first]]
            for other in others:
                known = other in rest and all(values[other])
                row += [cells[other], _compared(figure, values[first], values[other])] if known else ["-", "-"]
            rows.append([figure.title, figure.unit, *row])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows)


def context(rounds: int) -> str:
    """When, where, with what and how the table was made."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    packages = ("gunicorn", "gevent", "flask", "flask-sock", "msgspec", "picows", "uvloop")
    software = [f"Python {platform.python_version()}", ssl.OPENSSL_VERSION.rsplit(" ", 3)[0]]
    software += [f"{name} {version}" for name in packages if (version := _version(name))]
    if shutil.which("redis-server"):
        software.append(f"Redis {_output('redis-server', '--version').split('v=')[1].split()[0]}")
    software += [f"Node.js {_output('node', '--version').lstrip('v')}"]
    software += [f"{name} {_node_version(name)}" for name in ("express", "ws")]
    software += _peers()
    how = "one round" if rounds == 1 else f"medians of {rounds} rounds, in brackets the least and the greatest"
    return "\n".join(
        (
            f"- {when}, revision {_output('git', '-C', str(PROJECT), 'describe', '--always', '--dirty') or 'unknown'}",
            f"- {_processor()}, {os.cpu_count()} cores, Linux {platform.release()}",
            f"- {', '.join(software)}",
            f"- `{shlex.join(['python', *sys.argv])}`: {how}",
        )
    )


def _compared(figure: Figure, ours: Sequence[float], theirs: Sequence[float]) -> str:
    """What ours is of theirs, or more than theirs, round by round."""
    pairs = list(zip(ours, theirs, strict=True))
    if figure.added:
        return f"{_spread([one - other for one, other in pairs])} more"
    return _spread([one / other for one, other in pairs])


def _spread(values: Sequence[float]) -> str:
    text = _number(median(values))
    return text if len(values) == 1 else f"{text} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _mark(steps: list[Step], marks: set[str]) -> str:
    signs = {NOTES[limit][0] for step in steps if (limit := step.get("limit")) in NOTES}
    marks |= signs
    return "".join(sorted(signs))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _node_version(package: str) -> str:
    return str(json.loads((HERE / "node" / "node_modules" / package / "package.json").read_text())["version"])


def _peers() -> list[str]:
    """The peers that a user would pick, as they are pinned."""
    pinned = (PEERS / "flask" / "requirements.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in pinned if "==" in line)
    names = ("Flask-SocketIO", "python-socketio", "gevent-websocket", "simple-websocket")
    peerjs = json.loads((PEERS / "peerjs" / "package.json").read_text())["dependencies"]["peer"]
    return [*(f"{name} {versions[name]}" for name in names), f"peer {peerjs}"]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
