"""The programs that the documents print do what is said of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.driver import ROOT, Client, Server
from tests.waiting import TIMEOUT, wait_until


def program(document: str, name: str) -> str:
    [code] = re.findall(rf"```python\n(# {re.escape(name)}\n.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return code


@pytest.mark.parametrize("document", ["README.md", "docs/flask.md"])
def test_the_flask_app_holds_a_call_below_its_prefix(document: str, tmp_path: Path, certificate: Path):
    (tmp_path / "shop.py").write_text(program(document, "shop.py"))
    app = {"app": "shop:app", "health": "/call/healthz", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with Server(certificate, **app) as server, Client(server, "/call/ws") as alice, Client(server, "/call/") as bob:
        assert alice.join("alice", "bob")[0]["type"] == "created"
        assert bob.join("bob", "alice")[0]["type"] == "joined"


def test_the_two_users_of_the_protocol_talk(server: Server, certificate: Path, tmp_path: Path):
    code = program("docs/protocol.md", "talk.py")
    for written, here in ((".run/localhost.crt", certificate), ("wss://localhost:8443", server.ws_url)):
        assert written in code
        code = code.replace(written, str(here))
    (tmp_path / "talk.py").write_text(code)
    done = subprocess.run([sys.executable, "talk.py"], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    for line, speaker, kind in zip(
        done.stdout.splitlines(), ("alice", "bob", "bob"), ("created", "joined", "offer"), strict=True
    ):
        assert line.startswith(f"{speaker}: ")
        assert f'"type":"{kind}"' in line.replace(" ", "")


def test_a_signal_makes_the_debugging_configuration_dump_the_greenlets():
    with Server(arguments=("-c", ".ci/debug.conf.py")) as server, Client(server) as client:
        client.join("alice", "bob")
        os.kill(server.worker, signal.SIGUSR2)
        # Not by wait_for_log: a dump has empty lines, which it takes for the end.
        wait_until(lambda: any(line.endswith("* Greenlets") for line in server.log))
        wait_until(lambda: any(line.endswith("in _beat") for line in server.log))
