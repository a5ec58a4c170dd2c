"""The examples of docs/examples start by the one command of their READMEs, and their own tests pass."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.driver import ROOT
from tests.waiting import TIMEOUT

EXAMPLES = ROOT / "docs/examples"


def environment(**settings: str) -> dict[str, str]:
    """The environment of a reader who has installed the requirements."""
    unset = ("SIGNALING_", "FLASK_", "GUNICORN", "WEB_CONCURRENCY", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


@contextmanager
def started(example: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Start an example by the command of its README, on a free port, and yield its URL."""
    [command] = re.findall(r"```sh\n(.*)\n```", (EXAMPLES / example / "README.md").read_text())
    command = command.removeprefix("pip install -r requirements.txt && ").replace("--port 8000", "--port 0")
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=EXAMPLES / example,
        env=environment(GUNICORN_CMD_ARGS="--bind=localhost:0", **settings),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        log = ""
        for line in process.stderr:
            log += line
            if found := re.search(r"(?:Listening at:|Running on) http://\S+:(\d+)", line):
                yield f"http://localhost:{found[1]}"
                break
        else:
            raise AssertionError(log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.stderr.read()
        process.wait(TIMEOUT)
        process.stderr.close()


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        return str(response.read().decode())


def test_the_minimal_app_has_the_call_page():
    with started("minimal", {}) as url:
        assert 'href="/call/?me=alice&amp;peer=bob"' in page(url)
        request = urllib.request.Request(f"{url}/call/", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            assert b"Join the call" in response.read()


def test_the_clinic_opens(tmp_path: Path):
    with started("clinic", {"FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/clinic.db"}) as url:
        assert "User name" in page(url)


def test_the_tests_of_the_clinic_pass():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    folder = EXAMPLES / "clinic"
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_calls_of_the_clinic_are_under_sixty_lines():
    assert len((EXAMPLES / "clinic/clinic/calls.py").read_text().splitlines()) < 60
