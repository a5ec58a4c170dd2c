"""Commands of the host."""

from __future__ import annotations

import inspect
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def run(*command: str | Path) -> str:
    """Run a command, and return what it printed; one that fails shows all of it."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    line = " ".join(map(str, command))
    assert result.returncode == 0, f"{line}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def attempt(*command: str | Path) -> None:
    """Run a command that takes away what may not be there."""
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)


def wait_until(condition: Callable[[], object], patience: float = 20.0) -> None:
    """Wait until `condition` is true; fail when it does not become so."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience:.0f} seconds: {inspect.getsource(condition).strip()}"
        time.sleep(0.05)
