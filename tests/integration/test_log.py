"""The log of a real server: who reads it, who does not, and what a client can write into it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.driver import Client, Server, meet
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

SECRET = "s3cret-t0ken"

REQUESTS = [
    f"GET /?token={SECRET} HTTP/9.9\r\n\r\n",
    f"GET /?token={SECRET}\r\n\r\n",
    f"GET\t/?token={SECRET} HTTP/1.1\r\n\r\n",
    f"G\x01T /?token={SECRET} HTTP/1.1\r\n\r\n",
    f"get /?token={SECRET} HTTP/1.1\r\n\r\n",
    f"GET /?token={SECRET}&{'x' * 9000} HTTP/1.1\r\nHost: a\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SECRET}\x01\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nBearer {SECRET}: x\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {SECRET}\r\n\r\n",
    f"GET / HTTP/1.1\r\nHost: a\r\nExpect: {SECRET}\r\n\r\n",
    f"GET /?token={SECRET} HTTP/1.1\r\nHost: a\r\nContent-Length: x{SECRET}\r\n\r\n",
    f"POST /?token={SECRET} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n",
    f"GET /?token={SECRET} HT",
    f"GET http://a:{SECRET}@[::/?token={SECRET} HTTP/1.1\r\nHost: a\r\n\r\n",
    f"GET /?token={SECRET} HTTP/1.1\r\nHost: a\r\nReferer: http://a/?token={SECRET}\r\n\r\n",
    f"GET /healthz?token={SECRET} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    f"PRI * HTTP/2.0\r\n\r\nSM\r\n{SECRET}\r\n\r\n",
]


@pytest.mark.parametrize("log_format", rest_long(["text", "json"]))
def test_nothing_of_a_request_that_may_be_a_token_is_in_a_log(tmp_path: Path, log_format: str):
    access = tmp_path / "access.log"
    settings = {"SIGNALING_LOG_LEVEL": "debug", "SIGNALING_LOG_FORMAT": log_format}
    with Server(None, ("--access-logfile", str(access)), **settings) as server:
        for request in REQUESTS:
            with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
                client.sendall(request.encode("latin-1"))
                client.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    while client.recv(65_536):
                        pass
        assert server.health()["status"] == "ok"
    log = "\n".join(server.log)
    assert SECRET not in log
    assert len(re.findall("Invalid request from (?!ip=)", log)) > 5
    assert SECRET not in access.read_text()


def test_an_error_in_a_view_shows_the_path_alone(tmp_path: Path):
    (tmp_path / "broken.py").write_text(
        "from signaling import create_app\n"
        "app = create_app()\n"
        "inner = app.wsgi_app\n"
        "def broken(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/break':\n"
        "        raise RuntimeError('broken')\n"
        "    return inner(environ, start_response)\n"
        "app.wsgi_app = broken\n"
    )
    with Server(app="broken:app", PYTHONPATH=tmp_path) as server:
        with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
            client.sendall(f"GET /break?token={SECRET} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b" 500 " in client.recv(65_536)
        server.wait_for_log(r"ERROR Error handling request GET /break$")
        server.wait_for_log("RuntimeError: broken")
    assert SECRET not in "\n".join(server.log)


CALLS = {"SIGNALING_LOG_EVENTS": "calls", "SIGNALING_CALL_GRACE": 0}
OFFER, ANSWER = ({"type": kind, "sdp": "v=0"} for kind in ("offer", "answer"))


def hold_call(server: Server, one: str, other: str) -> None:
    """Hold a call as two browsers do, and hang up."""
    first, second = meet(server, one, other)
    for sender, receiver, data in ((first, second, OFFER), (second, first, ANSWER)):
        sender.send(type="message", data=data)
        receiver.receive()
        for number in range(10):
            sender.send(type="candidate", candidate={"candidate": f"candidate:{number} 1 udp 1 192.0.2.1 1 typ host"})
            receiver.receive()
    for user in (first, second):
        user.send(type="bye")
        user.close()


def test_the_log_of_calls_has_one_line_for_each_call_and_for_each_wait_without_one():
    with Server(**CALLS) as server:
        began = len(server.log)
        hold_call(server, "alice", "bob")
        server.wait_for_log("alice and bob")
        first, second = meet(server, "carol", "dave x=1")
        second.vanish()
        server.wait_for_log("carol")
        first.close()
        with Client(server) as eve:
            eve.join("eve", "nobody")
            eve.send(type="bye")
        server.wait_for_log("eve")
        # Warnings stay.
        with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n")
            assert client.recv(65_536)
        server.wait_for_log("WARNING Refused")
        lines = [line.partition("] ")[2] for line in server.log[began:]]
    call = "call=[0-9a-f]{32}"
    for line, pattern in zip(
        lines,
        [
            rf"Call of alice and bob ended {call} outcome=answered answered=\d+\.\d+ seconds=\d+\.\d+ reason=left",
            rf'Call of carol and "dave x=1" ended {call} outcome=unanswered seconds=\d+\.\d+ reason=lost',
            rf"User eve waited for nobody, who did not come {call} outcome=no-peer seconds=\d+\.\d+ reason=left",
            r"WARNING Refused a WebSocket from .*",
            r"Handling signal: term",
        ],
        strict=False,
    ):
        assert re.fullmatch(pattern, line), line


def test_the_log_of_calls_as_json_has_the_users():
    with Server(**CALLS, SIGNALING_LOG_FORMAT="json") as server:
        hold_call(server, "alice", "bob")
        line = json.loads(server.wait_for_log("Call of"))
    for varying in ("time", "call", "answered", "seconds"):
        assert line.pop(varying)
    assert line == {
        "level": "info",
        "logger": "signaling.node.call_lines",
        "message": "Call of alice and bob ended",
        "users": ["alice", "bob"],
        "outcome": "answered",
        "reason": "left",
    }


def test_a_call_that_the_end_of_the_server_ends_has_its_line():
    with Server(**CALLS) as server:
        alice, bob = meet(server)
        alone = Client(server)
        alone.join("alone", "nobody")
        server.signal(signal.SIGTERM)
        assert {user.closed()[0] for user in (alice, bob, alone)} == {1012}
        server.wait()
    ends = [line.partition("] ")[2] for line in server.log if " call=" in line]
    assert sorted(re.sub(r" (call|seconds)=\S+", "", line) for line in ends) == [
        "Call of alice and bob ended outcome=unanswered reason=lost",
        "User alone waited for nobody, who did not come outcome=no-peer reason=lost",
    ]


def test_debug_has_the_lines_of_connections_in_any_case():
    with Server(**CALLS, SIGNALING_LOG_LEVEL="debug") as server:
        hold_call(server, "alice", "bob")
        for line in ("Client connected", "User alice is joining", "Removed empty room", "Call of alice and bob"):
            server.wait_for_log(line)


@pytest.mark.parametrize(("events", "max_lines", "max_bytes"), [("all", 12, 2_000), ("calls", 1, 250)])
def test_a_call_takes_no_more_of_the_log_than_the_document_says(events: str, max_lines: int, max_bytes: int):
    """With ids as long as a UUID. The document says how many days of calls a journal holds."""
    count = 20
    with Server(SIGNALING_LOG_EVENTS=events) as server:
        hold_call(server, "begin", "it")
        server.wait_for_log("User it left|Call of")
        wait_until(lambda: events == "calls" or sum("Client disconnected" in line for line in server.log) == 2)
        began = len(server.log)
        for number in range(count):
            hold_call(server, f"a{number:035}", f"b{number:035}")
        wait_until(lambda: len(server.log) - began >= max_lines * count)
        with Client(server) as end:
            end.join("end", "of-it")
            end.send(type="bye")
        lines = server.log[began : server.log.index(server.wait_for_log("User end"))]
    lines = lines[: -1 if events == "all" else None]
    assert len(lines) == max_lines * count
    # The lower bound as well, so that the figures of the document stay true.
    assert 0.8 * max_bytes <= sum(len(line) + 1 for line in lines) / count <= max_bytes


# As systemd starts a service whose standard error is the journal.
JOURNAL = ("sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"', "sh")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_line_in_the_journal_has_its_priority(tmp_path: Path, log_format: str):
    (tmp_path / "broken.py").write_text(
        "import logging, sys\n"
        "import gevent\n"
        "from signaling import create_app\n"
        "def fail():\n"
        "    raise RuntimeError('in a greenlet')\n"
        "app = create_app()\n"
        "inner = app.wsgi_app\n"
        "def broken(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/break':\n"
        "        logging.getLogger('other.library').warning('from elsewhere')\n"
        "        gevent.spawn(fail).join()\n"
        "        raise RuntimeError('first\\n<0>second')\n"
        "    return inner(environ, start_response)\n"
        "app.wsgi_app = broken\n"
    )
    settings = {"PYTHONPATH": tmp_path, "SIGNALING_LOG_FORMAT": log_format}
    with Server(app="broken:app", before=JOURNAL, **settings) as server:
        for user in meet(server):
            user.close()
        with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
            client.sendall(b"GET /break HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 500 " in client.recv(65_536)
        server.wait_for_log("Client disconnected")
        server.wait_for_log("RuntimeError: first")
    lines = list(filter(None, server.log))
    assert [line for line in lines if not re.match("<[3467]>", line)] == []
    found = {
        words: {line[:3] for line in lines if words in line}
        for words in ("Listening at", "User alice is", "from elsewhere", "in a greenlet", "Error handling", "first")
    }
    assert found == {
        "Listening at": {"<6>"},
        "User alice is": {"<6>"},
        "from elsewhere": {"<4>"},
        "in a greenlet": {"<3>"},
        "Error handling": {"<3>"},
        "first": {"<3>"},
    }
    if log_format == "text":
        assert [line for line in lines if line.endswith("second")] == ["<3>  <0>second"]


def test_the_reason_of_a_start_that_fails_is_an_error_in_the_journal():
    for name, value in (("SIGNALING_LOG_PRIORITY", "sometimes"), ("SIGNALING_BIND", "no host")):
        server = Server(before=JOURNAL, **{name: value})
        line = server.wait_for_log("does not start")
        server.stop()
        assert line.startswith(f"<3>The signaling server does not start: {name}")


def test_an_id_forges_neither_a_line_nor_a_field(server: Server):
    forged = "bob connection=ffff code=1000"
    since = len(server.log)
    with Client(server) as alice:
        alice.join(forged, "alice\u202e\u2066x")
        alice.send(type="bye")
        assert alice.quiet()
    server.wait_for_log("Client disconnected", since)
    lines = server.log[since:]
    assert any(f"User {json.dumps(forged)} is joining room" in line for line in lines)
    for line in lines:
        assert line.isprintable()
        plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        assert len(re.findall(r" connection=\w+", plain)) == 1
        assert "ffff" not in plain


KINDS = rest_long(["pipe", "socket", "terminal", "fifo"])


class Deaf(Server):
    """A server whose standard error nobody reads until it is asked to."""

    def __init__(self, kind: str, tmp_path: Path) -> None:
        self.kind = kind
        if kind == "pipe":
            self.reader, writer = os.pipe()
        elif kind == "socket":
            ours, theirs = socket.socketpair()
            self.reader, writer = ours.detach(), theirs.detach()
        elif kind == "terminal":
            self.reader, writer = os.openpty()
        else:
            path = tmp_path / "fifo"
            os.mkfifo(path)
            self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            writer = os.open(path, os.O_WRONLY)
        self.writer = writer
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.certificate = None
        self._health = "/healthz"
        self.log = []
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALING_", "WEB_"))}
        self.process = subprocess.Popen(
            [".venv/bin/python", "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
            env={**clean, "PORT": str(self.port), "SIGNALING_JOIN_RATE": "0", "SIGNALING_MESSAGE_RATE": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writer,
        )

    def wait_until_up(self) -> None:
        def up() -> bool:
            try:
                return bool(self.health()["status"] == "ok")
            except OSError:
                return False

        wait_until(up)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    def read(self) -> str:
        """Read until the other end is closed, which it is when all processes are gone, and return it all."""
        os.close(self.writer)
        os.set_blocking(self.reader, True)
        found = b""
        while True:
            try:
                data = os.read(self.reader, 65_536)
            except OSError:
                data = b""
            if not data:
                os.close(self.reader)
                return found.decode()
            found += data


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path, kind: str):
    """29 joins stopped everything before; here are so many that what is kept is full as well."""
    server = Deaf(kind, tmp_path)
    with server:
        server.wait_until_up()
        with Client(server) as alice:
            for number in range(600):
                alice.join("a" * 100 + str(number), "b" * 100)
            carol, dave = meet(server, "carol", "dave")
            with carol, dave:
                carol.send(type="message", data="still here")
                assert dave.receive()["data"] == "still here"
            assert server.health()["status"] == "ok"
        assert server.process.poll() is None
        # Now somebody reads: it flows again, and one line says how many were lost.
        os.set_blocking(server.reader, False)
        found = b""

        def told() -> bool:
            nonlocal found
            try:
                found += os.read(server.reader, 1_048_576)
            except BlockingIOError:
                return False
            return b"log lines were lost" in found

        wait_until(told)
        server.signal(signal.SIGTERM)

        def over() -> bool:
            told()
            return server.process.poll() is not None

        wait_until(over)
        found += server.read().encode()
    lines = found.decode().replace("\r\n", "\n").splitlines()
    assert all(re.match(r"\[20\d\d-", line) for line in lines), "no line is cut off or inside another"
    [lost] = [line for line in lines if "log lines were lost" in line]
    assert re.search(r"WARNING [1-9]\d+ log lines were lost: nobody read them in time$", lost)


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_nobody_ever_reads_does_not_hold_up_the_end(tmp_path: Path, kind: str):
    server = Deaf(kind, tmp_path)
    with server:
        server.wait_until_up()
        with Client(server) as alice:
            for number in range(400):
                alice.join("a" * 100 + str(number), "b" * 100)
        server.stop()
        assert server.process.returncode == 0
        os.close(server.reader)
        os.close(server.writer)


def test_a_log_whose_reader_is_gone_stops_nothing(tmp_path: Path):
    server = Deaf("pipe", tmp_path)
    os.close(server.writer)
    os.close(server.reader)
    with server:
        server.wait_until_up()
        with Client(server) as alice:
            for number in range(400):
                alice.join("a" * 100 + str(number), "b" * 100)
        assert server.health()["status"] == "ok"
