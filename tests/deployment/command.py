"""Commands of the host."""

from __future__ import annotations

import subprocess
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
