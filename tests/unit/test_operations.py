"""docs/operations.md has each warning and error of the log, and its sizes follow from what was measured."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import gunicorn
import pytest

from signaling.config.settings import Settings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
PERFORMANCE = (ROOT / "docs/performance.md").read_text()
SCALING = (ROOT / "docs/scaling.md").read_text()
SOURCES = sorted((ROOT / "signaling").rglob("*.py"))
LEVELS = {"warning", "error", "exception", "critical"}
# Methods of these names that are not a logger's; and the logger that gets its text from elsewhere.
OTHERS = {"parser", "replies"}
ELSEWHERE = {"signaling/process/occasional_log.py"}


def shape(text: str) -> str:
    """Return a line with … for each value."""
    return re.sub(r"%(?:\.\d)?[sdrgf]", "…", text)


def text_of(node: ast.expr, tree: ast.Module) -> str:
    """Return the text of a message: a string, one with values in it, or the name of either in the same module."""
    if isinstance(node, ast.Constant):
        return shape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(shape(str(part.value)) if isinstance(part, ast.Constant) else "…" for part in node.values)
    name = ast.unparse(node)
    values = [
        each.value for each in ast.walk(tree) if isinstance(each, ast.Assign) and name in map(ast.unparse, each.targets)
    ]
    return next((found for value in values if (found := text_of(value, tree)) not in ("", "…")), "…")


def logged(path: Path) -> Iterator[str]:
    """Yield each warning and error that a module logs."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in LEVELS and ast.unparse(called.value) not in OTHERS:
            yield text_of(node.args[0], tree)


def rows() -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", OPERATIONS.partition("## Incidents")[2], re.MULTILINE))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_warning_and_error_of_the_log_has_a_row(path: Path):
    if str(path.relative_to(ROOT)) not in ELSEWHERE:
        assert set(logged(path)) <= rows()


def test_lines_are_found():
    assert "Redis cannot be used: …; the server keeps trying" in set(logged(ROOT / "signaling/rooms/redis/client.py"))
    assert "… came after init_app; set it before, or it protects nothing" in set(
        logged(ROOT / "signaling/web/settings_watch.py")
    )


def literals(path: Path) -> str:
    """Return all text of a module, as if it were one line, with … for each value."""
    tree = ast.parse(path.read_text())
    texts = [text_of(node, tree) for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
    return "".join(texts)


def test_each_row_is_a_line_of_the_server_or_of_gunicorn():
    text = "\n".join(map(literals, [*SOURCES, *sorted(Path(gunicorn.__file__).parent.glob("*.py"))]))
    invented = [row for row in rows() if not all(part in text for part in row.split("…"))]
    assert invented == []


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, pattern
    return float(found[1].replace(",", ""))


def test_the_sizes_follow_from_what_was_measured():
    calls = number(r"calls a second of a core \| ([\d,]+) \|", PERFORMANCE)
    worker = number(r"with 100 joined, TLS ‡ \| MiB PSS \| ([\d.]+) \|", PERFORMANCE)
    connection = number(r"of a connection, TLS, 4,000 joined \| KiB PSS \| ([\d.]+) \|", PERFORMANCE)
    shared = number(r"connecting and joining \| 1 \| [\d.]+ \| ([\d.]+) ", SCALING)
    assert f"{calls:g} a second" in OPERATIONS
    assert f"{worker:g} MiB a worker and {connection:g} KiB a connection" in OPERATIONS
    assert re.search(rf"costs {shared:g}\s+times as much", OPERATIONS)
    empty, thousand, coturn = re.findall(r"^\| (?:Redis|coturn), .* \| ([\d.]+) MiB \|$", OPERATIONS, re.MULTILINE)
    users = Settings().max_connections
    found = re.findall(
        r"^\| (\d) cores?, .* \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) MiB \| (.*) \|$", OPERATIONS, re.MULTILINE
    )
    assert [cores for cores, *_ in found] == ["1", "2", "4", "8"]
    for cores, *planned, more in found:
        workers = int(cores)
        memory = workers * (worker + users * connection / 1024)
        beside = float(empty) + workers * users / 1000 * float(thousand) + float(coturn)
        carried = workers * calls / 2 / (1 if workers == 1 else shared)
        wanted = [workers * users, carried, memory]
        assert [float(one.replace(",", "")) for one in planned] == pytest.approx(wanted, rel=0.04)
        if workers > 1:
            assert number(r"([\d,]+) MiB", more) == pytest.approx(memory + beside, rel=0.04)


def test_the_memory_limit_of_a_container_is_twice_what_one_worker_needs():
    one = number(r"1 core, .* \| ([\d,]+) MiB \| not", OPERATIONS)
    limit = number(r"MEMORY_LIMIT:-(\d+)m", (ROOT / "compose.yaml").read_text())
    assert limit >= 2 * one
