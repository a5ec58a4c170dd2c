"""All is read, then all is dealt with, then all is written; and nobody suffers from what happens to another."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from signaling.transport import tick
from signaling.transport.connection import Connection
from signaling.transport.tick import LoopTick
from tests.unit.transport.reading import ReadConnection
from tests.unit.transport.test_receiver import frame
from tests.waiting import TIMEOUT


class Note:
    """Reads and writes nothing, and notes what it is asked to."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    def data_received(self, data: bytes) -> None:
        self.notes.append(f"{self.name} takes {data.decode()}")
        here().queue_flush(self)

    def flush(self) -> None:
        self.notes.append(f"{self.name} flushes")

    def abort(self, why: str) -> None:
        self.notes.append(f"{self.name} ends: {why}")


class Broken(Note):
    fault: type[BaseException] = ZeroDivisionError

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        raise self.fault

    def flush(self) -> None:
        raise self.fault


def here() -> LoopTick:
    return LoopTick.of(gevent.get_hub())


@pytest.fixture
def users() -> Iterator[list[tuple[ReadConnection, gevent.socket.socket]]]:
    """Connections with greenlets that read, and the clients' ends, on which each read is one write of the server's."""
    pairs = [gevent.socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
    connections = [ReadConnection(ours, close_timeout=0.2) for ours, _ in pairs]
    with gevent.Timeout(TIMEOUT):
        readers = [gevent.spawn(connection.receive) for connection in connections]
        gevent.idle()
        yield [(connection, theirs) for connection, (_, theirs) in zip(connections, pairs, strict=True)]
        gevent.killall(readers)
    for connection, (ours, theirs) in zip(connections, pairs, strict=True):
        theirs.close()
        connection.wait_closed()
        ours.close()


def test_all_is_dealt_with_before_anything_is_written():
    notes: list[str] = []
    for name in "ab":
        here().queue_read(Note(name, notes), b"it")
    assert notes == []
    gevent.sleep(0)
    assert notes == ["a takes it", "b takes it", "a flushes", "b flushes"]


# A timeout of gevent's is not an Exception.
@pytest.mark.parametrize("fault", [ZeroDivisionError, MemoryError, gevent.Timeout])
def test_a_fault_of_one_is_not_the_others(caplog, monkeypatch, fault):
    monkeypatch.setattr(Broken, "fault", fault)
    notes: list[str] = []
    for reader in (Broken("a", notes), Note("b", notes)):
        here().queue_read(reader, b"it")
    gevent.sleep(0)
    end = f"a ends: internal error: {fault.__name__}"
    assert notes == ["a takes it", end, "b takes it", end, "b flushes"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [fault] * 2


def test_one_that_cannot_even_be_ended_is_not_the_others_affair(monkeypatch):
    notes: list[str] = []
    broken = Broken("a", notes)
    monkeypatch.setattr(broken, "abort", broken.flush)
    for reader in (broken, Note("b", notes)):
        here().queue_read(reader, b"it")
    gevent.sleep(0)
    assert notes == ["a takes it", "b takes it", "b flushes"]
    here().queue_read(Note("c", notes), b"it")
    gevent.sleep(0)
    assert notes[3:] == ["c takes it", "c flushes"]


def test_a_turn_that_is_broken_off_is_not_the_last(monkeypatch):
    """As by the SystemExit of a signal handler, which Python runs wherever it is at the moment."""
    notes: list[str] = []
    here()._arrivals.append((Broken("a", notes), b"it"))
    here()._scheduled = True
    monkeypatch.setattr(Broken, "data_received", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        here()._finish()
    here().queue_read(Note("b", notes), b"it")
    gevent.sleep(0)
    assert notes == ["b takes it", "b flushes"]


def test_what_is_postponed_waits_until_all_sockets_were_looked_at():
    notes: list[str] = []
    one, other = gevent.socket.socketpair()

    class Again(Note):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if len(notes) < 6:
                here().postpone(self)

    def read() -> None:
        notes.append("somebody is read from")
        watcher.stop()

    watcher = gevent.get_hub().loop.io(one.fileno(), 1)
    watcher.start(read)
    other.send(b"it")
    here().queue_read(Again("a", notes), b"it")
    with gevent.Timeout(TIMEOUT):
        while len(notes) < 7:
            gevent.sleep(0.001)
    watcher.close()
    one.close()
    other.close()
    assert notes.index("somebody is read from") < notes.index("a takes ")
    assert notes.count("a takes it") == 1


def test_so_many_are_enough_for_once(monkeypatch):
    monkeypatch.setattr(tick, "MAX_READS_PER_TICK", 2)
    notes: list[str] = []
    for name in "abc":
        here().queue_read(Note(name, notes), b"it")
    assert notes == ["a takes it", "b takes it", "a flushes", "b flushes"]
    gevent.sleep(0)
    assert notes[4:] == ["c takes it", "c flushes"]


def test_what_arrives_in_one_turn_is_read_before_any_of_it_is_dealt_with(users):
    known: list[int] = []
    for connection, _ in users:
        # Who was read from is to be read from no more until that is dealt with.
        connection.on_message = lambda _: known.append(sum(other._data_queued for other, _ in users)) is None
    for _, theirs in users:
        theirs.sendall(frame(0x81, b"all at once"))
    gevent.idle()
    assert known == [2, 1, 0]


def test_what_goes_to_one_client_in_a_turn_goes_in_one_write(users):
    (connection, theirs), *_ = users
    connection.send_text(b"a", b"b")
    connection.send_text(b"c")
    connection.ping()
    assert theirs.recv(100) == b"\x81\x01a\x81\x01b\x81\x01c\x89\x00"
    connection.send_text(b"later")
    assert theirs.recv(100) == b"\x81\x05later"


def test_what_a_client_sent_that_is_closed_in_the_same_turn_is_not_dealt_with(users):
    (first, client), (second, other), _ = users
    taken: list[Connection] = []

    def replace(one: Connection, another: Connection) -> None:
        one.on_message = lambda text: [taken.append(one), another.close(4001, "replaced")] != []

    # Which of the two is read first is the loop's own business.
    replace(first, second)
    replace(second, first)
    for theirs in (client, other):
        theirs.sendall(frame(0x81, b"replace the other") + frame(0x88, b"\x0f\xa1"))
    gevent.idle()
    assert len(taken) == 1
    [replaced] = {first, second} - set(taken)
    assert (replaced.close_code, replaced.close_reason) == (4001, "replaced")
    # Its own close, read before, is the answer to ours.
    assert replaced._receiver.answered


def test_an_end_does_not_overtake_what_came_before_it(users):
    (connection, theirs), *_ = users
    taken: list[str] = []
    connection.on_message = lambda text: taken.append(text) is None
    theirs.sendall(frame(0x81, b"last words"))
    connection._readable()
    theirs.close()
    # As when the loop has so many callbacks to run that it looks at its sockets before the turn is finished.
    connection._readable()
    gevent.idle()
    assert taken == ["last words"]
    assert connection.close_code == 1006
