"""Whatever clients do in whatever order: each message is answered in its turn, and each end leaves nothing behind.

The oracle is what the clients see on their sockets, and what is left of the process: sessions, greenlets, files.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import gevent
import gevent.event
import gevent.socket
import pytest
from greenlet import greenlet
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signaling.config.settings import Settings
from signaling.node.handler import Handler
from signaling.process.threads import TurnLock
from signaling.protocol.messages import User
from signaling.rooms.admission import UNKNOWN
from signaling.rooms.context import SessionContext
from signaling.rooms.memory import MemoryRegistry
from signaling.security.connection_limit import ConnectionLimiter
from signaling.transport.client_socket import ClientSocket
from signaling.transport.connection import Connection
from signaling.transport.connections import Connections
from signaling.transport.greenlet_pool import GreenletPool
from signaling.transport.open_sockets import OpenSockets
from tests.unit.transport.test_receiver import frame
from tests.waiting import TIMEOUT

SETTINGS = Settings(join_rate=0, message_rate=0, close_timeout=0.05, connections_per_ip=1_000)
ADDRESS = "192.0.2.1"
PAIRS = [("alice", "bob"), ("bob", "alice"), ("alice", "carol"), ("carol", "alice")]


class SlowApp:
    """An app that decides on a join when the test lets it."""

    def __init__(self) -> None:
        self.waiting: list[gevent.event.AsyncResult[None]] = []
        self.slow = False

    @property
    def has_authorizer(self) -> bool:
        return True

    def authorize(self, user: User, peer: User) -> None:
        if self.slow:
            decision: gevent.event.AsyncResult[None] = gevent.event.AsyncResult()
            self.waiting.append(decision)
            decision.get()

    def decide(self, error: BaseException | None = None) -> None:
        if self.waiting:
            decision = self.waiting.pop(0)
            decision.set() if error is None else decision.set_exception(error)


class Server:
    """The parts of a worker that hold WebSockets."""

    def __init__(self, *, has_app: bool = True) -> None:
        self.app = SlowApp()
        self.context = SessionContext.of(SETTINGS, MemoryRegistry(), self.app if has_app else None)
        self.connections = Connections(SETTINGS)
        self.limiter = ConnectionLimiter(SETTINGS)
        self.open = OpenSockets()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.clients: list[Client] = []

    def connect(self, read_ahead: bytes = b"") -> Client:
        # With TCP a reset is one.
        theirs = socket.create_connection(self.listener.getsockname())
        ours, _ = self.listener.accept()
        sock = ClientSocket(ours.family, ours.type, ours.proto, ours.detach())
        handler = Handler(
            self.context,
            self.connections,
            self.limiter,
            SimpleNamespace(start=lambda: None),  # type: ignore[arg-type]
            TurnLock(),
            ADDRESS,
            UNKNOWN,
        )
        connection = handler(sock, read_ahead)
        assert isinstance(connection, Connection)
        self.open.add(connection)
        # As the worker does: nothing is left of gevent's socket, and to close it does nothing.
        sock.release()
        sock.close()
        client = Client(theirs, connection)
        self.clients.append(client)
        return client

    @property
    def left(self) -> dict[str, int]:
        """What there is of connections that are not gone."""
        return {
            "connections": len(self.connections),
            "sockets": len(self.open),
            "sessions": len(self.context.sessions),
            "rooms": self.context.registry.room_count,
            "addresses": len(self.limiter),
        }


class Client:
    """The other end of a socket: what it sent, and what came back."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.connection = connection
        self.rest = b""
        self.data = b""
        self.closed = False
        self.asked: list[int | str] = []

    def send(self, data: bytes) -> None:
        """Send behind what is left of a half frame."""
        data, self.rest = self.rest + data, b""
        if not self.closed:
            with suppress(OSError):
                self.sock.sendall(data)

    def say(self, **message: object) -> None:
        self.send(frame(0x81, json.dumps(message).encode()))

    def ask(self) -> None:
        """Send a message that the event loop answers with its number."""
        self.say(type="ping", id=self.note(len(self.asked)))

    def ask_for_work(self) -> None:
        """Send a message that a greenlet answers."""
        self.note("unknown-type")
        self.say(type="nonsense")

    def note(self, answer: int | str) -> int | str:
        self.asked.append(answer)
        return answer

    def ask_in_two_halves(self) -> None:
        data = frame(0x81, json.dumps({"type": "ping", "id": self.note(len(self.asked))}).encode())
        self.send(data[:9])
        self.rest = data[9:]

    def read(self) -> None:
        if not self.closed:
            with suppress(BlockingIOError, ConnectionResetError):
                while data := self.sock.recv(65_536):
                    self.data += data

    def close(self) -> None:
        self.read()
        self.sock.close()
        self.closed = True

    def reset(self) -> None:
        self.read()
        if self.closed:
            return
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def replies(self) -> Iterator[dict[str, object]]:
        """The messages from the server; the last one may be cut off."""
        at = 0
        while at + 2 <= len(self.data):
            first, length = self.data[at : at + 2]
            start = at + 2
            if length == 126:
                [length] = struct.unpack_from("!H", self.data, start)
                start += 2
            if first == 0x81:
                yield json.loads(self.data[start : start + length])
            at = start + length


def settle() -> None:
    for _ in range(6):
        gevent.sleep(0)
    gevent.sleep(0.0001)


def until(happens: Callable[[], object]) -> None:
    """Wait for an event. :func:`server` has the safety net."""
    while not happens():
        gevent.sleep(0.001)


def replies_of(client: Client, count: int) -> list[object]:
    """Wait for ``count`` replies, and return the types of all."""

    def have_come() -> bool:
        client.read()
        return len([*client.replies()]) >= count

    until(have_come)
    return [reply["type"] for reply in client.replies()]


def close_code(client: Client) -> int:
    """Wait for a close frame that comes first, and return its code."""

    def has_come() -> bool:
        client.read()
        return len(client.data) >= 4

    until(has_come)
    assert client.data[0] == 0x88
    code: int = struct.unpack_from("!H", client.data, 2)[0]
    return code


def greenlets() -> int:
    """Count those of this event loop, without those that wait for more work."""
    things, hub = gc.get_objects(), gevent.get_hub()
    idle = {each for thing in things if isinstance(thing, GreenletPool) for each in thing.idle}
    ours = (thing for thing in things if isinstance(thing, greenlet) and thing.parent is hub)
    return sum(not each.dead and each not in idle for each in ours)


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    log = logging.getLogger("signaling")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield records
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def server(*, has_app: bool = True) -> Iterator[tuple[Server, list[logging.LogRecord]]]:
    """A server of which nothing is left afterwards, when all clients are gone."""
    # The loop of gevent has files of its own, and some greenlets wait for more work.
    gevent.sleep(0.001)
    before, files = greenlets(), len(os.listdir("/proc/self/fd"))
    running = Server(has_app=has_app)
    try:
        with gevent.Timeout(TIMEOUT), logged() as records:
            yield running, records
            running.app.slow = False
            for client in running.clients:
                client.close()
            while any(running.left.values()) or running.app.waiting:
                running.app.decide()
                gevent.sleep(0.001)
            gevent.sleep(0)
    finally:
        if running.connections._heartbeat is not None:
            running.connections._heartbeat.kill()
        running.listener.close()
    assert len(os.listdir("/proc/self/fd")) == files
    assert greenlets() == before
    lines = Counter((record.msg, record.connection) for record in records if record.msg.startswith("Client "))  # type: ignore[attr-defined]
    assert set(lines.values()) <= {1}
    assert len(lines) == 2 * len(running.clients)


def step(running: Server, action: str, who: int) -> None:
    if action == "connect" or not running.clients:
        running.connect(frame(0x81, b'{"type":"ping"}') if who % 2 else b"")
        return
    client = running.clients[who % len(running.clients)]
    user, peer = PAIRS[who % len(PAIRS)]
    match action:
        case "join":
            client.say(type="join", userId=user, remoteId=peer)
        case "message":
            client.say(type="message", data=len(client.data))
        case "ask":
            client.ask()
        case "many":
            for _ in range(75):
                client.ask()
                client.ask_for_work()
        case "work":
            client.ask_for_work()
        case "half":
            client.ask_in_two_halves()
        case "bye":
            client.say(type="bye")
        case "close frame":
            client.send(frame(0x88, b"\x03\xe8"))
        case "fault":
            client.send(frame(0x83, b""))
        case "end":
            client.close()
        case "reset":
            client.reset()
        case "server closes":
            client.connection.close(4000, "by the test")
        case "server aborts":
            client.connection.abort("by the test")
        case "kill":
            client.connection.kill()
        case "slow":
            running.app.slow = not running.app.slow
        case "decide":
            running.app.decide()
        case "deny":
            running.app.decide(ZeroDivisionError())
        case "settle":
            settle()


ACTIONS = st.sampled_from(
    [
        *("connect", "join", "join", "message", "ask", "work", "many", "half", "bye", "settle", "settle", "settle"),
        *("slow", "decide", "deny", "close frame", "fault", "end", "reset", "server closes", "server aborts", "kill"),
    ]
)


@settings(max_examples=settings.default.max_examples)
@given(steps=st.lists(st.tuples(ACTIONS, st.integers(0, 7)), max_size=40), has_app=st.booleans())
@example(
    steps=[("connect", 0), ("slow", 0), ("join", 0), ("ask", 0), ("settle", 0), ("ask", 0), ("end", 0)], has_app=True
)
@example(
    steps=[("connect", 0), ("slow", 0), ("join", 0), ("settle", 0), ("server closes", 0), ("decide", 0)], has_app=True
)
@example(steps=[("connect", 0), ("slow", 0), ("join", 0), ("settle", 0), ("kill", 0), ("settle", 0)], has_app=True)
@example(steps=[("connect", 0), ("connect", 0), ("join", 0), ("join", 4), ("settle", 0), ("settle", 0)], has_app=True)
def test_each_is_answered_in_its_turn_and_nothing_is_left(steps: list[tuple[str, int]], has_app: bool):
    with server(has_app=has_app) as (running, records):
        for action, who in steps:
            step(running, action, who)
        settle()
        for client in running.clients:
            client.read()
        for client in running.clients:
            answers = [
                answer for reply in client.replies() if (answer := reply.get("id", reply.get("code"))) in client.asked
            ]
            assert answers == client.asked[: len(answers)]
    for record in records:
        if record.levelno >= logging.ERROR:
            assert record.exc_info is not None
            assert record.exc_info[0] is ZeroDivisionError


def test_an_idle_connection_has_no_greenlet():
    with server() as (running, _):
        before = greenlets()
        clients = [running.connect() for _ in range(10)]
        for client in clients:
            client.ask_for_work()
            client.ask()
        for client in clients:
            assert replies_of(client, 2) == ["error", "pong"]
        settle()
        # The heartbeat is one for all.
        assert greenlets() == before + 1


def test_what_comes_while_a_join_waits_is_answered_after_it():
    with server() as (running, _):
        client = running.connect()
        running.app.slow = True
        client.say(type="join", userId="alice", remoteId="bob")
        client.ask()
        until(lambda: running.app.waiting)
        client.ask()
        settle()
        client.read()
        assert client.data == b""
        running.app.decide()
        assert replies_of(client, 4) == ["created", "roomInfo", "pong", "pong"]


def test_nothing_follows_the_answer_to_a_close():
    with server() as (running, _):
        client = running.connect()
        running.app.slow = True
        client.say(type="join", userId="alice", remoteId="bob")
        client.send(frame(0x89, b"1") + frame(0x88, b"\x03\xe8"))
        settle()
        running.app.decide()
        while not client.data.endswith(b"\x8a\x011\x88\x02\x03\xe8"):
            settle()
            client.read()
        assert [reply["type"] for reply in client.replies()] == ["created", "roomInfo"]


def test_a_client_that_goes_while_its_join_waits_does_not_join():
    with server() as (running, records):
        client = running.connect()
        running.app.slow = True
        client.say(type="join", userId="alice", remoteId="bob")
        until(lambda: running.app.waiting)
        client.connection.close(4000)
        settle()
        running.app.decide()
        until(lambda: not running.left["sessions"])
    assert not [record for record in records if record.msg.startswith("Created new room")]


@pytest.mark.parametrize("error", [gevent.Timeout(), gevent.GreenletExit(), SystemError()])
def test_a_join_that_is_broken_off_ends_its_own_connection_and_no_other(error):
    with server() as (running, _):
        client, other = running.connect(), running.connect()
        other.say(type="join", userId="bob", remoteId="alice")
        replies_of(other, 2)
        running.app.slow = True
        client.say(type="join", userId="alice", remoteId="bob")
        until(lambda: running.app.waiting)
        running.app.decide(error)
        assert close_code(client) == 1011
        other.ask()
        assert replies_of(other, 3) == ["created", "roomInfo", "pong"]


def test_a_worker_that_stops_ends_what_still_waits():
    with server() as (running, _):
        client = running.connect()
        running.app.slow = True
        client.say(type="join", userId="alice", remoteId="bob")
        until(lambda: running.app.waiting)
        assert running.open
        running.open.kill()
        running.app.waiting.clear()
        until(lambda: not running.open)


def test_a_drain_while_a_connection_comes_closes_it():
    with server() as (running, _):
        running.connections.close_all()
        client = running.connect(frame(0x81, b'{"type":"ping","id":1}'))
        assert close_code(client) == 1012
