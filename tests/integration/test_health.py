"""`python -m signaling.health`, which a container is asked for its health with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.driver import ROOT, Server
from tests.long import rest_long
from tests.waiting import TIMEOUT


def ask(**settings: object) -> tuple[int, str]:
    """Ask with these settings, and return the exit status and what was printed."""
    environ = os.environ | {name: str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "signaling.health"]
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=TIMEOUT)
    assert result.stderr == ""
    return result.returncode, result.stdout


@pytest.mark.parametrize("bind", rest_long(["", "0.0.0.0", "127.0.0.1"]))
def test_it_finds_the_service_where_the_settings_say(bind: str):
    with Server(SIGNALING_BIND=bind) as server:
        status, text = ask(SIGNALING_BIND=bind, PORT=server.port)
        assert status == 0
        assert '"status":"ok"' in text


def test_it_speaks_tls_when_the_service_does(server: Server, certificate: Path):
    key = certificate.with_suffix(".key")
    assert ask(PORT=server.port, SIGNALING_TLS_CERT=certificate, SIGNALING_TLS_KEY=key)[0] == 0
    assert ask(PORT=server.port)[0] == 1


def test_it_finds_a_unix_socket(tmp_path: Path):
    where = {"SIGNALING_BIND": f"unix:{tmp_path}/signaling.sock"}
    server = Server(**where)
    try:
        server.wait_for_log("Booting worker")
        assert ask(**where)[0] == 0
    finally:
        server.stop()
    assert ask(**where)[0] == 1


def test_another_answer_than_200_is_not_healthy(tmp_path: Path):
    """Where something else has the port: here an app that has the service, and its health, under a prefix."""
    app = (
        "from flask import Flask; from signaling import Signaling; app = Flask('a'); Signaling(app, url_prefix='/call')"
    )
    (tmp_path / "other.py").write_text(app)
    with Server(app="other:app", health="/call/healthz", PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        status, text = ask(PORT=server.port)
        assert status == 1
        assert "404 Not Found" in text
