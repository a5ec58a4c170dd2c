"""The connection on a pair of real sockets: writing never waits, and every end wakes the reader."""

from __future__ import annotations

import gc
import itertools
import socket
import ssl
import struct
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest

from signaling.config.settings import Settings
from signaling.transport import connections as connections_module
from signaling.transport.connection import Connection
from signaling.transport.connections import Connections
from signaling.transport.receiver import MAX_FRAMES_AFTER_CLOSE, MAX_FRAMES_PER_TICK, FrameReceiver
from tests.unit.transport.reading import ClosedError, ReadConnection
from tests.unit.transport.test_receiver import frame
from tests.waiting import TIMEOUT


@pytest.fixture(params=["plain", "tls"])
def wires(request, certificate) -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    """The server's end and the client's end, of little room, so that a slow reader shows soon."""
    ours, theirs = gevent.socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    with gevent.Timeout(TIMEOUT):
        if request.param == "tls":
            server = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(certificate, certificate.with_suffix(".key"))
            client = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.load_verify_locations(certificate)
            accepting = gevent.spawn(server.wrap_socket, ours, server_side=True)
            theirs = client.wrap_socket(theirs, server_hostname="localhost")
            ours = accepting.get()
        theirs.settimeout(TIMEOUT)
        with ours, theirs:
            yield ours, theirs
            ReadConnection.release_all()


@pytest.fixture
def connection(wires) -> ReadConnection:
    return ReadConnection(wires[0], send_buffer_bytes=65_536, close_timeout=0.2)


def read(theirs: gevent.socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := theirs.recv(65_536)):
        data += more
    return data


def read_all(theirs: gevent.socket.socket) -> bytes:
    data = b""
    while more := theirs.recv(65_536):
        data += more
    return data


def read_until_the_end(theirs: gevent.socket.socket) -> bytes:
    """Read all there is before the end, be it a reset."""
    data = b""
    with suppress(OSError):
        while more := theirs.recv(65_536):
            data += more
    return data


def test_a_message_arrives_and_an_answer_goes_back(connection, wires):
    wires[1].sendall(frame(0x81, b"Hello") + frame(0x82, b"\xff"))
    assert (connection.receive(), connection.receive()) == ("Hello", b"\xff")
    connection.send_text("é".encode())
    connection.send_text(b"a", b"b")
    assert read(wires[1], 10) == b"\x81\x02\xc3\xa9\x81\x01a\x81\x01b"


def test_what_is_dealt_with_at_once_never_comes_to_the_reader(connection, wires):
    taken = []

    def take(message: str) -> bool:
        taken.append(message)
        return not message.startswith("for the reader")

    connection.on_message = take
    wires[1].sendall(frame(0x81, b"1") + frame(0x81, b"2") + frame(0x81, b"for the reader") + frame(0x81, b"3"))
    # One that waits for the reader holds up all after it, which keeps the order.
    assert (connection.receive(), connection.receive()) == ("for the reader", "3")
    assert taken == ["1", "2", "for the reader"]
    reader = gevent.spawn(connection.receive)
    wires[1].sendall(frame(0x81, b"4"))
    gevent.idle()
    wires[1].sendall(frame(0x81, b"for the reader again"))
    assert reader.get() == "for the reader again"
    assert taken[3:] == ["4", "for the reader again"]


def test_another_thread_may_close_a_connection_and_holds_up_no_other(wires):
    connection = Connection(wires[0], close_timeout=TIMEOUT)
    connection.on_work = connection.wait_closed
    connection.start()
    gevent.get_hub().threadpool.apply(connection.close, (4000,))
    assert wires[1].recv(100) == b"\x88\x02\x0f\xa0"
    wires[1].sendall(frame(0x88, b"\x0f\xa0"))
    with gevent.Timeout(TIMEOUT):
        connection.join()


def test_a_fault_in_the_event_loop_is_the_readers(connection, wires):
    connection.on_message = lambda message: 1 / 0
    wires[1].sendall(frame(0x81, b"Hello"))
    with pytest.raises(ZeroDivisionError):
        connection.receive()
    # The hub is unhurt, and so is the connection.
    connection.send_text(b"still here")
    assert read(wires[1], 12) == b"\x81\x0astill here"


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_lengths_out_are_as_rfc_6455_has_them(wires, size):
    connection = ReadConnection(wires[0], send_buffer_bytes=1_000_000)
    head = {0: b"\x81\x00", 125: b"\x81\x7d", 126: b"\x81\x7e\x00\x7e", 65_535: b"\x81\x7e\xff\xff"}
    connection.send_text(b"x" * size)
    wanted = head.get(size, b"\x81\x7f" + struct.pack("!Q", size)) + b"x" * size
    assert read(wires[1], len(wanted)) == wanted


@pytest.mark.parametrize("size", [500, 60_000, 250_000])
def test_what_does_not_fit_waits_in_order(wires, size):
    # Room for some TLS records of a large message, and not for all: OpenSSL is then in the middle of it.
    wires[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size // 5)
    connection = ReadConnection(wires[0])
    sent = [b"%05d" % number * (size // 5) for number in range(500_000 // size)]
    for payload in sent:
        connection.send_text(payload)
    assert connection.waiting_bytes, "the socket took all of it: the test shows nothing"
    head = b"\x81\x7e" + struct.pack("!H", size) if size < 65_536 else b"\x81\x7f" + struct.pack("!Q", size)
    wanted = b"".join(head + payload for payload in sent)
    assert read(wires[1], len(wanted)) == wanted
    connection.send_text(b"after")
    assert wires[1].recv(100) == b"\x81\x05after"


def test_a_reader_too_slow_is_dropped_and_the_sender_never_waits(connection):
    while connection.close_code is None:
        connection.send_text(b"x" * 1_000)
    assert connection.close_code == 1006
    assert connection.close_reason.startswith("it reads too slowly")
    with pytest.raises(ClosedError):
        connection.receive()
    connection.send_text(b"nothing happens")


@pytest.mark.parametrize("end", [lambda c: c.close(4001, "replaced"), lambda c: c.abort("gone")])
def test_closing_from_elsewhere_wakes_the_reader(connection, end):
    reader = gevent.spawn(connection.receive)
    gevent.idle()
    end(connection)
    with pytest.raises(ClosedError):
        reader.get()


def test_the_client_closes_and_is_answered(connection, wires):
    wires[1].sendall(frame(0x81, b"last words") + frame(0x88, struct.pack("!H", 1001) + b"bye"))
    assert connection.receive() == "last words"
    with pytest.raises(ClosedError) as closed:
        connection.receive()
    assert (closed.value.code, closed.value.reason) == (1001, "bye")
    connection.wait_closed()
    wires[0].close()
    assert read_all(wires[1]) == b"\x88\x05" + struct.pack("!H", 1001) + b"bye"


def test_an_end_without_a_close_frame_is_1006(connection, wires):
    wires[1].close()
    with pytest.raises(ClosedError) as closed:
        connection.receive()
    assert closed.value.code == 1006
    connection.wait_closed()


def test_a_close_of_ours_waits_for_the_answer(connection, wires):
    def client() -> bytes:
        heard = wires[1].recv(100)
        wires[1].sendall(frame(0x81, b"was on its way") + frame(0x88, heard[2:]))
        return heard

    other = gevent.spawn(client)
    connection.close(1008, "a policy")
    connection.wait_closed()
    assert other.get() == b"\x88\x0a" + struct.pack("!H", 1008) + b"a policy"
    assert connection._receiver.answered


def test_no_answer_to_a_close_ends_the_tcp_connection_in_time(connection, wires):
    connection.close(1012)
    connection.wait_closed()
    wires[0].close()
    assert read_all(wires[1]) == b"\x88\x02" + struct.pack("!H", 1012)


def test_a_failed_connection_is_closed_for_writing_at_once(connection, wires):
    wires[1].sendall(frame(0x83))
    with pytest.raises(ClosedError) as closed:
        connection.receive()
    assert closed.value.code == 1002
    release = gevent.spawn(connection.wait_closed)
    assert read_all(wires[1])[:2] == b"\x88" + bytes([len(closed.value.reason) + 2])
    wires[1].close()
    release.join()


def test_a_long_reason_is_cut_to_what_a_control_frame_holds(connection, wires):
    connection.close(4001, "é" * 100)
    assert wires[1].recv(200) == b"\x88\x7c" + struct.pack("!H", 4001) + "é".encode() * 61


def test_nothing_is_left_of_a_released_connection(connection, wires):
    connection.close()
    connection.wait_closed()
    for use in (lambda: connection._read(1), lambda: connection._send_buffer._write(b"")):
        with pytest.raises(OSError, match="released"):
            use()
    with pytest.raises(ClosedError):
        connection.receive()


def test_a_released_connection_is_gone_without_the_collector(wires):
    connection = Connection(wires[0], close_timeout=0.1)
    connection.on_message = partial(isinstance, connection)
    gone = weakref.ref(connection)
    connection.close()
    connection.wait_closed()
    gevent.sleep(0)
    gc.disable()
    try:
        del connection
        assert gone() is None
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def no_heartbeat_goes_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Connections] = []
    init = Connections.__init__

    def init_and_note(connections: Connections, *args, **kwargs) -> None:
        made.append(connections)
        init(connections, *args, **kwargs)

    monkeypatch.setattr(Connections, "__init__", init_and_note)
    yield
    for each in made:
        if each._heartbeat is not None:
            each._heartbeat.kill()


def settings(**values: float) -> Settings:
    return Settings(ping_interval=0.08, ping_timeout=TIMEOUT, **values)


def test_one_heartbeat_pings_all_and_closes_who_is_silent(wires, monkeypatch):
    """By a clock that only the test turns; the heartbeat looks at it now and then."""
    now = 0.0
    monkeypatch.setattr(connections_module, "time", SimpleNamespace(monotonic=lambda: now))
    connections = Connections(Settings(ping_interval=0.08, ping_timeout=0.04))
    ours, deaf = gevent.socket.socketpair()
    answering, silent = ReadConnection(wires[0]), ReadConnection(ours)
    for connection in (answering, silent):
        connections.add(connection)
    gevent.spawn(answering.receive)
    for _ in range(3):
        now += 0.08
        assert wires[1].recv(2) == b"\x89\x00"
        wires[1].sendall(frame(0x8A))
        while not answering.alive:
            gevent.sleep(0)
    with pytest.raises(ClosedError) as closed:
        silent.receive()
    assert closed.value.code == 4008
    assert answering.close_code is None
    connections.discard(silent)
    assert len(connections) == 1
    ReadConnection.release_all()
    ours.close()
    deaf.close()


def test_who_answers_is_pinged_again_though_the_timeout_is_long(wires):
    connections = Connections(Settings(ping_interval=0.08, ping_timeout=60))
    connection = ReadConnection(wires[0])
    connections.add(connection)
    gevent.spawn(connection.receive)
    for _ in range(3):
        assert wires[1].recv(2) == b"\x89\x00"
        wires[1].sendall(frame(0x8A))


def test_thousands_who_came_at_once_are_not_pinged_at_once(monkeypatch):
    """The loop looks at its sockets in between."""
    monkeypatch.setattr(connections_module, "MAX_PINGS_PER_STEP", 10)
    seen: list[str] = []

    class Somebody:
        alive, latency = True, None

        def ping(self) -> None:
            seen.append("ping")

    connections = Connections(settings())
    for _ in range(95):
        connections.add(Somebody())
    looks = gevent.get_hub().loop.check()
    looks.start(lambda: seen.append("look"))
    while seen.count("ping") < 95:
        gevent.sleep(0.001)
    looks.close()
    runs = [len(list(run)) for what, run in itertools.groupby(seen) if what == "ping"]
    assert sum(runs) == 95
    assert max(runs) == 10


def test_draining_tells_everybody_and_refuses_the_next(wires):
    connections = Connections(settings())
    connection = ReadConnection(wires[0])
    connections.add(connection)
    connections.drain()
    assert connections.draining
    assert wires[1].recv(100)[2:4] == struct.pack("!H", 1012)
    assert connection.close_code == 1012


def flood(theirs: gevent.socket.socket, data: bytes) -> gevent.Greenlet:
    """Send `data`, for as long as somebody takes it."""

    def send() -> None:
        with suppress(OSError):
            theirs.sendall(data)

    return gevent.spawn(send)


def serve(connection: ReadConnection, deal_with: Callable[[str | bytes], object]) -> gevent.Greenlet:
    """Do what the service does with a connection, and return its greenlet."""

    def run() -> int | None:
        with suppress(ClosedError):
            while True:
                deal_with(connection.receive())
        connection.wait_closed()
        return connection.close_code

    return gevent.spawn(run)


@pytest.mark.parametrize("unit", [frame(0x8A), frame(0x89), frame(0x01) + frame(0x80), frame(0x81)])
def test_a_flood_is_dealt_with_in_turns_in_which_others_have_theirs(wires, unit):
    """As many frames as there are in one read: somebody else is served after each share of them."""
    connection = ReadConnection(wires[0], close_timeout=0.2)
    ours, theirs = gevent.socket.socketpair()
    other, answered = ReadConnection(ours), []
    other.on_message = lambda text: answered.append((text, counted)) is None
    counted = 0

    def count(slow_frames: int) -> None:
        nonlocal counted
        counted += slow_frames
        if counted < 3_000:
            theirs.send(frame(0x81, b"my turn"))

    connection.on_slow_frames = count
    connection.on_message = lambda _: count(1) is None
    readers = [gevent.spawn(other.receive), gevent.spawn(connection.receive)]
    gevent.idle()
    flooding, pongs = flood(wires[1], unit * 4_000), gevent.spawn(read_all, wires[1])
    with gevent.Timeout(TIMEOUT):
        while counted < 4_000:
            gevent.sleep(0)
    assert len(answered) > 10
    shares = [after - before for (_, before), (_, after) in itertools.pairwise(answered)]
    assert max(shares) <= 4 * MAX_FRAMES_PER_TICK
    gevent.killall([*readers, flooding, pongs])
    theirs.close()
    ReadConnection.release_all()
    ours.close()


def test_the_pong_that_was_asked_for_is_free_and_no_other_is(connection, wires):
    told: list[int] = []
    connection.on_slow_frames = told.append
    reader = gevent.spawn(connection.receive)
    gevent.idle()
    connection.ping()
    wires[1].sendall(frame(0x8A))
    wires[1].sendall(frame(0x8A) + frame(0x8A))
    wires[1].sendall(frame(0x81, b"the end"))
    assert reader.get() == "the end"
    assert sum(told) == 2
    assert connection.latency is not None


def test_nothing_follows_a_close_of_ours(connection, wires):
    """Neither the pongs to pings, nor the answer to a close, that came in the same read."""
    connection.on_slow_frames = lambda _: connection.close(1008, "too many")
    reader = serve(connection, lambda _: None)
    gevent.idle()
    wires[1].sendall(frame(0x89, b"?") * 10 + frame(0x81, b"a") + frame(0x88, b"\x03\xe8"))
    assert reader.get() == 1008
    wires[0].close()
    assert read_all(wires[1]) == b"\x88\x0a\x03\xf0too many"


@pytest.mark.parametrize("last", [b"", frame(0x81, b"last"), frame(0x89, b"?")], ids=["alone", "message", "ping"])
@pytest.mark.parametrize(
    "end", [frame(0x88, b"\x03\xe8"), frame(0x88), frame(0x81, b"\xff")], ids=["1000", "1005", "bad"]
)
def test_what_a_peer_sends_does_not_follow_the_answer_to_a_close(wires, last, end):
    """The event loop sends the answer, and a greenlet finishes later. Peers' messages come in between."""

    class Beside(ReadConnection):
        def _queue_work(self) -> None:
            self.send_text(b"from the peer")
            super()._queue_work()

    connection = Beside(wires[0])
    reader = serve(connection, lambda _: None)
    wires[1].sendall(last + end)
    assert reader.get() in {1000, 1005, 1007}
    wires[0].close()
    told = read_all(wires[1])
    assert told.rpartition(b"from the peer")[2].partition(b"\x88")[1] == b"\x88"


def test_what_follows_a_close_is_looked_through_so_far_and_no_further(connection, wires, monkeypatch):
    connection._close_timeout = 60
    fed: list[int] = []
    feed = FrameReceiver.feed

    def noted(self: FrameReceiver, data: bytes) -> None:
        feed(self, data)
        fed.append(len(self.messages) + self.slow_frames)

    monkeypatch.setattr(FrameReceiver, "feed", noted)
    connection.close(1008)
    reader = serve(connection, lambda _: None)
    everything = (frame(0x89, b"x" * 125) + frame(0x81, b"a")) * 5_000
    flooding = flood(wires[1], everything)
    flooding.join()
    wires[1].close()
    assert reader.get() == 1008
    assert sum(fed) < MAX_FRAMES_AFTER_CLOSE + 2 * MAX_FRAMES_PER_TICK
    assert connection._receiver.replies == []


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_what_came_right_behind_the_handshake_comes_first(wires, size):
    received = b"".join(frame(0x81, b"%d" % number) for number in range(200))[:size]
    connection = ReadConnection(wires[0], received=received)
    wires[1].sendall(b"".join(frame(0x81, b"%d" % number) for number in range(200))[size:] + frame(0x81, b"last"))
    heard = [connection.receive()]
    while heard[-1] != "last":
        heard.append(connection.receive())
    assert heard == [*map(str, range(200)), "last"]


# What this server fails with ends the connection that it was about, and no other.


class Failing:
    """Does what something does for some times, and then fails for good."""

    def __init__(self, real: Callable[..., Any], times: int, error: Exception) -> None:
        self.real, self.times, self.error = real, times, error

    def __call__(self, *args: Any, **named: Any) -> Any:
        if self.times == 0:
            raise self.error
        self.times -= 1
        return self.real(*args, **named)


class Kept(bytearray):
    """A buffer for which there is no memory."""

    def __iadd__(self, _: Any) -> Any:
        raise MemoryError


FAULTS = {
    "nothing is written": lambda out, monkeypatch: setattr(out, "_write", Failing(out._write, 0, MemoryError())),
    "half is written": lambda out, monkeypatch: setattr(out, "_write", Failing(out._write, 1, MemoryError())),
    "a fault of ours": lambda out, monkeypatch: setattr(out, "_write", Failing(out._write, 1, ZeroDivisionError())),
    "the rest cannot be kept": lambda out, monkeypatch: setattr(out, "_kept", Kept()),
    "no greenlet": lambda out, monkeypatch: monkeypatch.setattr(
        "signaling.transport.send_buffer.gevent", SimpleNamespace(spawn=Failing(None, 0, MemoryError()))
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_flush_that_fails_ends_its_own_connection_and_no_other(connection, wires, fault, monkeypatch, caplog):
    ours, theirs = gevent.socket.socketpair()
    other = ReadConnection(ours)
    reader = gevent.spawn(connection.receive)
    gevent.idle()
    reading = gevent.spawn(read_until_the_end, wires[1])
    fault(connection._send_buffer, monkeypatch)
    connection.send_text(b"x" * 30_000)
    connection.send_text(b"y" * 30_000)
    other.send_text(b"still here")
    with pytest.raises(ClosedError) as closed:
        reader.get()
    assert closed.value.code == 1006
    assert closed.value.reason.startswith("internal error")
    assert read(theirs, 12) == b"\x81\x0astill here"
    # Nothing more is sent behind what may be half a frame.
    monkeypatch.undo()
    connection._send_buffer.write(b"z" * 100)
    gevent.sleep(0)
    connection.wait_closed()
    wires[0].close()
    assert b"z" not in reading.get()
    assert other.close_code is None
    assert len(caplog.records) == 1
    theirs.close()
    ReadConnection.release_all()
    ours.close()


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError(), OSError("gone")])
def test_a_failure_of_who_empties_the_buffer_ends_the_connection(connection, wires, error, caplog):
    reader = gevent.spawn(connection.receive)
    gevent.idle()
    connection.send_text(b"x" * 60_000)
    gevent.idle()
    assert connection._send_buffer._writer is not None
    connection._send_buffer._write = Failing(None, 0, error)
    reading = gevent.spawn(read_all, wires[1])
    with pytest.raises(ClosedError) as closed:
        reader.get()
    assert closed.value.code == 1006
    connection.wait_closed()
    assert connection._send_buffer._writer is None
    assert len(caplog.records) == (not isinstance(error, OSError))
    reading.kill()


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError()])
def test_a_read_that_fails_ends_the_connection(connection, wires, error, caplog):
    reader = gevent.spawn(connection.receive)
    gevent.idle()
    connection._read = Failing(None, 0, error)
    wires[1].sendall(frame(0x81, b"Hello"))
    with pytest.raises(ClosedError) as closed:
        reader.get()
    assert closed.value.code == 1006
    assert len(caplog.records) == 1


def test_a_failure_after_the_close_ends_the_connection_at_once(connection, wires, monkeypatch, caplog):
    connection._close_timeout = 60
    connection.close(1012)
    reader = serve(connection, lambda _: None)
    gevent.idle()
    monkeypatch.setattr(FrameReceiver, "feed", Failing(None, 0, MemoryError()))
    wires[1].sendall(frame(0x81, b"a"))
    assert reader.get() == 1012
    assert len(caplog.records) == 1


def test_a_client_that_resets_while_its_fault_is_told_is_no_error(wires, caplog):
    connection = ReadConnection(wires[0], close_timeout=0.2)
    connection.sock = SimpleNamespace(
        shutdown=Failing(None, 0, OSError(107, "not connected")), setsockopt=connection.sock.setsockopt
    )
    wires[1].sendall(frame(0x83))
    assert serve(connection, lambda _: None).get() == 1002
    assert caplog.records == []


def test_the_heartbeat_goes_on_whatever_fails(wires, monkeypatch, caplog):
    connections = Connections(settings(), on_beat=Failing(None, 0, ZeroDivisionError()))
    ours, theirs = gevent.socket.socketpair()
    one, other = ReadConnection(ours), ReadConnection(wires[0])
    one._transmit = Failing(None, 0, MemoryError())
    for connection in (one, other):
        connections.add(connection)
    for _ in range(2):
        gevent.spawn(other.receive)
        assert wires[1].recv(2) == b"\x89\x00"
        wires[1].sendall(frame(0x8A))
    assert (one.close_code, other.close_code) == (1006, None)
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} == {ZeroDivisionError, MemoryError}
    gevent.kill(connections._heartbeat)
    ReadConnection.release_all()
    ours.close()
    theirs.close()


def test_a_drain_tells_the_others_whatever_fails_at_one(wires):
    connections = Connections(settings())
    ours, theirs = gevent.socket.socketpair()
    one, other = ReadConnection(ours), ReadConnection(wires[0])
    one._transmit = Failing(None, 0, MemoryError())
    for connection in (one, other):
        connections.add(connection)
    connections.close_all()
    assert wires[1].recv(100)[2:4] == struct.pack("!H", 1012)
    assert (one.close_code, other.close_code) == (1006, 1012)
    ReadConnection.release_all()
    ours.close()
    theirs.close()
