"""What a developer on Windows or macOS needs: importing, the page, and the client for tests of an app."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.driver import ROOT
from tests.waiting import TIMEOUT

# What the standard library of Windows or macOS does not have, and gunicorn, which Windows does not have.
PROGRAM = """
import os, socket, sys

MISSING = {"fcntl", "resource", "grp", "pwd", "termios", "pty", "tty", "syslog", "gunicorn"}


class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# The libraries have ways of their own without them.
import asyncio, ctypes, flask, gevent.socket, gevent.ssl, gevent.threadpool, websockets.sync.client, werkzeug.serving

for name in MISSING:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refuser())
for name in ("sched_getaffinity", "fork", "getuid", "geteuid", "uname", "killpg", "O_NONBLOCK", "O_CLOEXEC"):
    delattr(os, name)
for name in ("AF_UNIX", "TCP_INFO", "SO_REUSEPORT"):
    delattr(socket, name)



def pair():  # as Windows has it
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


socket.socketpair = pair
loaded = ctypes.CDLL


def load(name, *arguments, **options):
    if name is None:
        raise TypeError("Windows: expected a name")
    return loaded(name, *arguments, **options)


ctypes.CDLL = load
sys.platform = sys.argv[1]

import signaling.extension
from signaling import Signaling
from signaling.testing import SignalingClient

app = flask.Flask("mine")
app.config["SIGNALING_OPEN"] = True
Signaling(app)
with SignalingClient(app) as alice, SignalingClient(app) as bob:
    assert alice.join("bob", "alice")["type"] == "created"
    assert bob.join("alice", "bob")["type"] == "joined"
    bob.send(type="message", data=1)
    assert alice.receive("message")["data"] == 1
assert app.test_client().get("/", headers={"Accept": "text/html"}).status_code == 200
"""

SERVE = """
import threading
from websockets.sync.client import connect
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
with connect(f"ws://127.0.0.1:{server.port}/ws") as one, connect(f"ws://127.0.0.1:{server.port}/ws") as other:
    one.send('{"type":"join","userId":"alice","remoteId":"bob"}')
    assert "created" in one.recv()
    other.send('{"type":"join","userId":"bob","remoteId":"alice"}')
    assert "joined" in other.recv()
server.shutdown()
"""


def run(program: str, platform: str) -> str:
    """Run the program in another Python, and return the error that ends it."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, platform]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=TIMEOUT)
    return ended.stderr if ended.returncode or "Traceback" in ended.stderr else ""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_the_extension_needs_nothing_that_only_linux_has(platform: str):
    assert run(PROGRAM, platform) == ""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_the_development_server_needs_nothing_that_only_linux_has(platform: str):
    assert run(PROGRAM + SERVE, platform) == ""


def test_what_only_linux_has_would_be_seen():
    assert "No module named 'resource'" in run(PROGRAM + "import signaling.hooks", "darwin")
