"""The service inside an app whose team has a gunicorn configuration of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.driver import ROOT, Client, Server
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

APP = """
import socket
import gevent
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")

@app.get("/timeout")
def timeout():
    return {"timeout": socket.getdefaulttimeout()}

def lose():
    raise ConnectionError("a connection of the app's own")

@app.get("/lose")
def start_to_lose():
    gevent.spawn(lose)
    return {}
"""
CONFIGURATION = """
import os
from signaling.gunicorn import install

bind = "127.0.0.1:0"
loglevel = "info"
{more}

def on_starting(server):
    print("theirs: on_starting", file=__import__("sys").stderr, flush=True)

def post_worker_init(worker):
    worker.log.info("theirs: post_worker_init")

def worker_exit(server, worker):
    worker.log.info("theirs: worker_exit")

install(globals())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(APP)
    return tmp_path


def configured(folder: Path, more: str = "") -> tuple[str, ...]:
    (folder / "own.py").write_text(CONFIGURATION.format(more=more))
    return ("-c", str(folder / "own.py"))


EITHER_WORKER = pytest.mark.parametrize(
    "worker_class", rest_long(["", 'worker_class = "gevent"']), ids=["ours", "gevent"]
)


@EITHER_WORKER
def test_a_call_and_all_their_hooks(folder: Path, worker_class: str):
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(None, configured(folder, worker_class), **where) as server:
        with Client(server, "/call/ws") as alice, Client(server, "/call/ws") as bob:
            alice.join("alice", "bob")
            bob.join("bob", "alice")
            bob.send(type="message", data=1)
            assert [alice.receive()["type"] for _ in range(3)] == ["ready", "roomInfo", "message"]
            assert server.get("/timeout") == {"timeout": None}
            server.process.terminate()
            assert alice.closed()[0] == 1012
        server.wait()
    log = "\n".join(server.log)
    for hook in ("on_starting", "post_worker_init", "worker_exit"):
        assert log.count(f"theirs: {hook}") == 1


@EITHER_WORKER
def test_only_a_failed_tls_handshake_is_silent(folder: Path, certificate: Path, worker_class: str):
    """A port scan would fill the log; an error of the app's own greenlets belongs there."""
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    tls = f'certfile = "{certificate}"; keyfile = "{certificate.with_suffix(".key")}"'
    arguments = configured(folder, f"{worker_class}\n{tls}")
    with Server(certificate, arguments, **where) as server:
        for probe in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""):
            with socket.create_connection(("localhost", server.port), TIMEOUT) as scanner:
                scanner.sendall(probe)
                with suppress(OSError):
                    scanner.shutdown(socket.SHUT_WR)
                    while scanner.recv(4_096):
                        pass
        assert server.get("/lose") == {}
        server.wait_for_log("ConnectionError: a connection of the app's own")
        log = "\n".join(server.log)
    assert log.count("Traceback") == 1
    assert "SSL" not in log


@pytest.mark.parametrize(
    ("more", "words"),
    rest_long(
        [
            ('worker_class = "sync"', "the worker class must be signaling.worker.Worker or gevent, not sync"),
            ("workers = 4", "4 workers would each have rooms of their own"),
            ('worker_class = "gthread"', "the worker class must be signaling.worker.Worker or gevent, not gthread"),
            ("max_requests = 1000", "max_requests=1000 would end every call of a worker: set it to 0"),
            ("preload_app = True", "preload_app is not possible"),
        ],
        quick=2,
    ),
)
def test_a_configuration_that_cannot_work_is_one_line(folder: Path, more: str, words: str):
    command = [sys.executable, "-m", "gunicorn", *configured(folder, more), "mine:app"]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}:{ROOT}"}
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT)
    assert ended.returncode == 78
    lines = [line for line in ended.stderr.splitlines() if "theirs" not in line]
    assert words in lines[-1]
    assert "Traceback" not in ended.stderr


def test_several_workers_without_our_hooks_never_split_the_rooms(folder: Path):
    """gunicorn starts them, since nothing of ours is in its configuration; then no pair may wait in two rooms."""
    (folder / "own.py").write_text('bind = "localhost:0"\nworkers = 2\nworker_class = "gevent"\nloglevel = "info"\n')
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(None, ("-c", str(folder / "own.py")), **where) as server:
        for _ in range(8):
            with pytest.raises(InvalidStatus) as refusal:
                Client(server, "/call/ws")
            assert refusal.value.response.status_code == 503
        server.wait_for_log("several workers would each have rooms of their own")


@EITHER_WORKER
def test_gunicorn_reloads_the_code_with_open_websockets(folder: Path, worker_class: str):
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(None, configured(folder, f"reload = True\n{worker_class}"), **where) as server:
        with Client(server, "/call/ws") as alice:
            assert alice.quiet()
            (folder / "mine.py").write_text(APP + '\n\n@app.get("/new")\ndef new():\n    return {"new": True}\n')
            assert alice.closed()[0] == 1012
        assert wait_until(lambda: server.get("/new")) == {"new": True}
        with Client(server, "/call/ws") as alice:
            assert alice.quiet()


STOCK = 'bind = "localhost:0"\nworker_class = "gevent"\nloglevel = "info"\ngraceful_timeout = 1\n'


def test_a_worker_that_a_signal_adds_without_our_hooks_takes_no_websocket(folder: Path):
    """TTIN does not tell the app that it has a sibling, whose rooms are other ones."""
    (folder / "own.py").write_text(STOCK)
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(None, ("-c", str(folder / "own.py")), **where) as server, Client(server, "/call/ws") as alice:
        alice.join("alice", "bob")
        server.signal(signal.SIGTTIN)
        first, _ = wait_until(lambda: booted(server) if len(booted(server)) == 2 else None)
        # The second one does the work of both.
        os.kill(first, signal.SIGSTOP)
        try:
            with pytest.raises(InvalidStatus) as refusal:
                Client(server, "/call/ws")
            assert refusal.value.response.status_code == 503
            server.wait_for_log("several workers would each have rooms of their own")
        finally:
            os.kill(first, signal.SIGCONT)
        # Whoever gets in meets alice.
        with wait_until(lambda: let_in(server)) as bob:
            assert bob.join("bob", "alice")[0]["type"] == "joined"
            assert alice.receive()["type"] == "ready"
        # When the first one is gone, another one may take its place.
        os.kill(first, signal.SIGKILL)
        server.wait_for_log(f"pid:{first}.* was sent SIGKILL")
        with wait_until(lambda: let_in(server)) as carol:
            assert carol.join("carol", "dave")[0]["type"] == "created"


def booted(server: Server) -> list[int]:
    """The workers so far, the oldest first."""
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", "\n".join(server.log))]


def let_in(server: Server) -> Client | None:
    try:
        return Client(server, "/call/ws")
    except (InvalidStatus, ConnectionError):
        return None


def test_a_reload_without_our_hooks_lets_the_new_worker_serve(folder: Path):
    (folder / "own.py").write_text(STOCK)
    where = {"app": "mine:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(None, ("-c", str(folder / "own.py")), **where) as server, Client(server, "/call/ws") as alice:
        alice.join("alice", "bob")
        old = server.worker
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.worker != old)
        with wait_until(lambda: let_in(server)) as carol:
            assert carol.join("carol", "dave")[0]["type"] == "created"
