"""Whatever bytes a client sends, its connection goes on or ends by the rules, and its peer sees frames of sound JSON.

The connection, the session and the peer's connection are the real ones, on a pair of sockets.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
import gevent.socket
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from signaling.config.settings import Settings
from signaling.rooms.context import SessionContext
from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.session import Session
from signaling.transport.connection import Connection
from tests.unit.near_json import ANYTHING
from tests.unit.transport.test_receiver import STREAMS, frame
from tests.waiting import TIMEOUT

SETTINGS = Settings(join_rate=0, message_rate=0)
JOIN = '{{"type":"join","userId":"{}","remoteId":"{}"}}'

# What a client of RFC 6455 may be closed with, by its own doing.
BY_THE_RULES = {None, 1000, 1002, 1005, 1006, 1007, 1008, 1009}


class End:
    """A user: the server's ends of its connection, and what its client hears."""

    def __init__(self, service: SessionContext) -> None:
        ours, self.socket = gevent.socket.socketpair()
        self._ours = ours
        self.connection = Connection(ours, max_message_bytes=10_000, close_timeout=0.1)
        self.session = Session(service, self.connection)
        self.connection.on_message = self.session.forward
        self.connection.on_slow_frames = self.session.charge_frames
        self.client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN)
        self.faults: list[BaseException] = []
        self.connection.on_work = self._work
        self.connection.start()

    def _work(self) -> None:
        # As the node does it, but for what is caught: nothing else may be raised.
        try:
            while (message := self.connection.next_message()) is not None:
                self.session.receive(message)
        except BaseException as error:
            self.faults.append(error)
            raise
        finally:
            if self.connection.close_code is not None:
                self.session.on_disconnect(self.connection.close_code)
                self.connection.wait_closed()
                self._ours.close()

    def says(self, data: bytes) -> None:
        with suppress(OSError):
            self.socket.sendall(data)

    def hears(self) -> list[str]:
        """Read all that is there, judge it, and return the types of the messages."""
        types = []
        self.socket.settimeout(0)
        with suppress(OSError):
            while data := self.socket.recv(65_536):
                self.client.receive_data(data)
        assert self.client.parser_exc is None or isinstance(self.client.parser_exc, EOFError)
        for event in self.client.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.TEXT:
                # A pong repeats the id of its ping, which may be a number too long for Python.
                types.append(json.loads(event.data, parse_int=str, parse_constant=pytest.fail)["type"])
            else:
                assert event.opcode in (Opcode.PONG, Opcode.CLOSE)
        return types

    def gone(self) -> None:
        self.socket.close()
        self.connection.join()
        assert self.faults == []


@contextmanager
def call() -> Iterator[tuple[End, End]]:
    service = SessionContext.of(SETTINGS, MemoryRegistry())
    with gevent.Timeout(TIMEOUT):
        alice, bob = End(service), End(service)
        for end, names in ((alice, ("alice", "bob")), (bob, ("bob", "alice"))):
            end.says(frame(0x81, JOIN.format(*names).encode()))
            settle()
            assert end.hears()
        alice.hears()
        yield alice, bob
        alice.gone()
        bob.gone()


def settle() -> None:
    """Let the loop deal with all that was sent: each round reads once from each socket."""
    for _ in range(20):
        gevent.sleep(0.0001)


def whole(text: str | bytes) -> bytes:
    return frame(0x81, text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else frame(0x82, text)


def in_fragments(text: str | bytes) -> bytes:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    parts = [data[at : at + 3] for at in range(0, len(data[:600]), 3)]
    return frame(0x01) + b"".join(frame(0x00, part) for part in parts) + frame(0x80, data[600:])


BYTES = st.lists(
    st.one_of(STREAMS, ANYTHING.map(whole), ANYTHING.map(whole), ANYTHING.map(in_fragments), st.binary(max_size=50)),
    max_size=5,
).map(b"".join)


# Each example takes many turns of the loop.
@settings(max_examples=settings.default.max_examples // 4)
@given(data=BYTES, step=st.integers(1, 5_000))
@example(data=whole('{"type":"message","data":' + "[" * 990 + "]" * 990 + "}"), step=5_000)
@example(data=whole('{"type":"message","data":' + "[" * 976 + "]" * 976 + "}"), step=5_000)
@example(data=frame(0x89, b"x" * 125) * 1_000 + frame(0x88, struct.pack("!H", 1001)), step=5_000)
def test_no_bytes_of_a_client_are_a_fault_of_the_servers(data: bytes, step: int):
    seen: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = seen.append  # type: ignore[method-assign]
    logging.getLogger("signaling").addHandler(handler)
    try:
        with call() as (alice, bob):
            # Many small pieces take long, and show no more than some dozens do.
            step = max(step, len(data) // 40)
            for at in range(0, len(data), step):
                alice.says(data[at : at + step])
                if at % (8 * step) == 0:
                    settle()
            settle()
            alice.hears()
            heard = bob.hears()
            assert set(heard) <= {"message", "bye", "roomInfo", "ready", "error"}
            # Somebody who only listens is closed by nothing but one who takes their name.
            assert bob.connection.close_code in (None, 4001)
            assert alice.connection.close_code in BY_THE_RULES or data.count(b"\x88")
            assert alice.connection.close_code != 1011
    finally:
        logging.getLogger("signaling").removeHandler(handler)
    assert seen == []
