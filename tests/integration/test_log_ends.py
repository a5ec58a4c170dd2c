"""No line of the log is lost, doubled or out of order when a worker ends, however it ends."""

from __future__ import annotations

import re
import signal
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.driver import Server
from tests.waiting import TIMEOUT

APP = """
import logging, os, signal, sys
import gevent
from signaling import create_app

app = create_app()
inner = app.wsgi_app
log = logging.getLogger("signaling.rooms.session")
count = 0

def lines():
    global count
    for _ in range(100):
        log.info("line %d", count, extra={"connection": os.getpid()})
        count += 1

def hang():
    while True:
        pass

def exit_in_the_event_loop():
    gevent.get_hub().loop.run_callback(lambda: (lines(), sys.exit(5)))

def kill_in_another_turn():
    gevent.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

ENDS = {
    "/lines": lambda: None,
    "/exit": lambda: sys.exit(5),
    "/error": lambda: 1 / 0,
    "/exit-in-the-event-loop": exit_in_the_event_loop,
    "/thread": lambda: gevent.get_hub().threadpool.spawn(lines).get(),
    "/hang": hang,
    "/kill": kill_in_another_turn,
    **{f"/{name}": lambda number=number: os.kill(os.getpid(), number) for name, number in (
        ("term", signal.SIGTERM), ("quit", signal.SIGQUIT), ("int", signal.SIGINT), ("abort", signal.SIGABRT)
    )},
}

def wsgi(environ, start_response):
    if environ["PATH_INFO"] not in ENDS:
        return inner(environ, start_response)
    lines()
    ENDS[environ["PATH_INFO"]]()
    start_response("204 No Content", [])
    return []

app.wsgi_app = wsgi
"""

ENDS_THE_WORKER = [
    *("exit-in-the-event-loop", "term", "quit", "int", "abort", "kill"),
    # gunicorn sends SIGABRT to a worker that did not report in time.
    "hang",
]


def numbers(log: list[str]) -> dict[str, list[int]]:
    """The numbers of the lines by worker."""
    found: dict[str, list[int]] = {}
    for line in log:
        if match := re.search(r"\] line (\d+) connection=(\d+)$", line):
            found.setdefault(match[2], []).append(int(match[1]))
        else:
            assert "] line " not in line, "two lines are in one"
    return found


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / "ends.py").write_text(APP)
    # Only "hang" waits for the timeout. A slow start of a worker must not reach it.
    arguments = ("--timeout", "10")
    return Server(app="ends:app", arguments=arguments, PYTHONPATH=tmp_path, SIGNALING_DRAIN_SECONDS=0)


def ask(server: Server, end: str) -> None:
    with suppress(OSError), urllib.request.urlopen(f"{server.url}/{end}", timeout=TIMEOUT):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_every_line_is_there_once_and_in_order_when_gunicorn_stops(server: Server, number: int):
    with server:
        for end in ("lines", "error", "exit", "thread", "lines"):
            ask(server, end)
        worker = server.worker
        server.signal(number)
        server.wait()
        assert numbers(server.log) == {str(worker): list(range(600))}


@pytest.mark.parametrize("end", ENDS_THE_WORKER)
def test_every_line_is_there_once_and_in_order_when_a_worker_ends_with(server: Server, end: str):
    with server:
        ask(server, "lines")
        worker = server.worker
        ask(server, end)
        server.wait_for_log(f"Booting worker with pid: (?!{worker}$)")
        server.signal(signal.SIGTERM)
        server.wait()
        assert numbers(server.log)[str(worker)] == list(range(300 if "event-loop" in end else 200))


def test_every_line_is_there_once_and_in_order_at_a_reload(server: Server):
    with server:
        workers = []
        for _ in range(3):
            ask(server, "lines")
            workers.append(server.worker)
            since = len(server.log)
            server.signal(signal.SIGHUP)
            server.wait_for_log("Booting worker", since)
            server.wait_for_log(f"Worker exiting .pid: {workers[-1]}", since)
        server.signal(signal.SIGTERM)
        server.wait()
        assert numbers(server.log) == {str(worker): list(range(100)) for worker in workers}
