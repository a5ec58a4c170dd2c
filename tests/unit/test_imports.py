"""The import table of docs/architecture.md: who may import whom, no circles, and packages that import nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIGNALING = ROOT / "signaling"

BASE = {"config", "process", "protocol", "version"}
ROOMS = BASE | {"security", "telemetry", "transport"}
NODE = ROOMS | {"rooms", "rooms.redis"}

# What each package imports besides its own modules. Imports for type checking and inside functions count as well.
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "config": set(),
    "process": set(),
    "protocol": set(),
    "security": BASE,
    "telemetry": BASE,
    "transport": BASE,
    "rooms": ROOMS,
    "rooms.redis": ROOMS | {"rooms"},
    "node": NODE,
    "web": NODE | {"node"},
    "beside": NODE | {"node", "web"},
    "server": NODE | {"node", "web"},
    "cli": NODE | {"node", "web", "beside", "check"},
    "host": BASE | {"security", "check"},
    "client": {"check"},
    # It is copied to machines that have nothing else of this.
    "check": set(),
}
# The modules beside the packages, which people name from outside, import what they like, but nothing imports them.
TOP = {
    "__init__",
    "__main__",
    "extension",
    "gunicorn",
    "gunicorn_conf",
    "health",
    "hooks",
    "logs",
    "output",
    "restart",
    "status",
    "testing",
    "token",
    "worker",
}


def modules() -> dict[str, Path]:
    """The modules, such as `rooms.session`, and the packages, such as `rooms`."""
    found = {}
    for path in sorted(SIGNALING.rglob("*.py")):
        parts = path.relative_to(SIGNALING).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = modules()
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py" and name != "__init__"}


def package_of(module: str) -> str:
    """The row of the table that a module belongs to."""
    return module if module in PACKAGES or "." not in module else module.rpartition(".")[0]


def imports(module: str, code: str) -> Iterator[str]:
    """The modules of ours that this code of a module imports, wherever in it."""
    inside = module.split(".") if module in PACKAGES else module.split(".")[:-1]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "signaling":
                    yield alias.name.partition(".")[2] or "__init__"
        elif isinstance(node, ast.ImportFrom):
            named = node.module.split(".") if node.module else []
            if node.level:
                path = inside[: len(inside) - node.level + 1] + named
            elif named[:1] == ["signaling"]:
                path = named[1:]
            else:
                continue
            for alias in node.names:
                whole = ".".join([*path, alias.name])
                yield whole if whole in MODULES else ".".join(path) or "__init__"


GRAPH = {module: set(imports(module, path.read_text())) - {module} for module, path in MODULES.items()}


def arrows_up(module: str, imported: set[str]) -> list[str]:
    """The imports of a module that the table does not have."""
    package = package_of(module)
    if package in TOP:
        return []
    allowed = ALLOWED[package] | {package}
    return [f"{module} -> {each}" for each in sorted(imported) if package_of(each) not in allowed]


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_its_row():
    assert {package_of(module) for module in MODULES} == ALLOWED.keys() | TOP


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_goes_up(module: str):
    assert arrows_up(module, GRAPH[module]) == []


def test_there_is_no_circle():
    assert circle(GRAPH) == []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_says_what_it_is_and_does_nothing(package: str):
    body = ast.parse(MODULES[package].read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


def test_the_document_has_every_package():
    table = (ROOT / "docs" / "architecture.md").read_text()
    linked = set(re.findall(r"^\| \[`([a-z/]+)/`\]", table, flags=re.MULTILINE)) - {"signaling"}
    assert {package.replace(".", "/") for package in PACKAGES} == linked


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("rooms.session", "from ..node.node import Node"),
        ("rooms.session", "from ..node import node"),
        ("rooms.session", "from .redis.room import Room"),
        ("transport.connection", "def f():\n    from ..telemetry import stats"),
        ("telemetry.call_log", "if TYPE_CHECKING:\n    from ..security.jwt import JwtVerifier"),
        ("protocol.messages", "import signaling.config.settings"),
        ("config.settings", "from signaling.protocol.codes import CloseCode"),
        ("node.node", "from .. import hooks"),
        ("node.node", "from signaling import create_app"),
        ("client.user", "from ..config.settings import Settings"),
        ("check", "from .config.env import shown"),
    ],
)
def test_an_arrow_up_is_seen(module: str, code: str):
    assert len(arrows_up(module, set(imports(module, code)))) == 1


def test_a_circle_is_seen():
    closed = GRAPH | {"telemetry.call": {"telemetry.call_log"}}
    assert set(circle(closed)) == {"telemetry.call", "telemetry.call_log"}


def test_a_service_without_keys_and_webhook_loads_no_library_for_them():
    """They would take a quarter of the memory of a worker."""
    code = "import sys; from signaling import create_app; create_app(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "flask.app" in loaded.split()
    assert not {"cryptography", "jwt", "urllib3", "redis"} & set(loaded.split())
