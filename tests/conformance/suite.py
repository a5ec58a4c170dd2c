"""The Autobahn testsuite: where to find a Python it runs on, how to install it, how to run its fuzzing client."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.driver import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PACKAGES = ROOT / ".venv-autobahn"

_FUZZ = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite import wstest
wstest.run()
"""


def find_python() -> str | None:
    """Return a Python 2.7 that has pip, the only one the suite runs on; None when this machine has none."""
    pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    # Unlike Path.glob, it finds nothing in a folder that is somebody else's.
    installed = glob.glob("versions/2.7.*/bin/python", root_dir=pyenv)
    for candidate in ("python2.7", "python2", *(f"{pyenv}/{path}" for path in sorted(installed, reverse=True))):
        program = shutil.which(candidate)
        # What is on the PATH may be a shim of a version that is not active.
        if program and _run(program, "-c", "import pip, sys; assert sys.version_info[:2] == (2, 7)").returncode == 0:
            return program
    return None


def install(python: str) -> None:
    """Install what is pinned, unless it is there already."""
    done = PACKAGES / "installed.txt"
    if done.exists() and done.read_bytes() == REQUIREMENTS.read_bytes():
        return
    shutil.rmtree(PACKAGES, ignore_errors=True)
    pip = ["-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    result = _run(python, *pip, "--target", str(PACKAGES), "-r", str(REQUIREMENTS))
    assert result.returncode == 0, f"the Autobahn testsuite could not be installed:\n{result.stdout}"
    shutil.copyfile(REQUIREMENTS, done)


def fuzz(python: str, url: str, cases: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Run `cases` against the server at `url`, and return the report of each."""
    reports, specification = folder / "reports", folder / "fuzzingclient.json"
    specification.write_text(
        json.dumps(
            {
                "outdir": str(reports),
                "servers": [{"agent": "echo", "url": url}],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    arguments = ["-c", _FUZZ, str(PACKAGES), "-m", "fuzzingclient", "-s", str(specification)]
    result = _run(python, *arguments, cwd=folder)
    assert result.returncode == 0, f"the fuzzing client failed:\n{result.stdout[-4_000:]}"
    index = json.loads((reports / "index.json").read_text())["echo"]
    return {case: json.loads((reports / entry["reportfile"]).read_text()) for case, entry in index.items()}


def _run(python: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    # -E: what PYTHON… variables there are, are for the Python of the tests.
    return subprocess.run(
        [python, "-E", "-s", "-W", "ignore", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
