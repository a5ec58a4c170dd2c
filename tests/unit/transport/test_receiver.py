"""Bytes of a client to messages: byte literals, both lanes, any split."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from signaling.transport import frames
from signaling.transport import receiver as module
from signaling.transport.receiver import FrameReceiver

KEY = b"\x37\xfa\x21\x3d"
MAX = 200


def frame(first: int, payload: bytes = b"", *, masked: bool = True, length: int | None = None) -> bytes:
    """A client's frame; RFC 6455, section 5.7, has its examples with this key."""
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    return head + KEY + bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))


class Drained(FrameReceiver):
    """One that goes on until nothing is pending, and keeps all that came of it."""

    def feed(self, data: bytes) -> None:
        messages, replies, slow_frames = self.messages, self.replies, self.slow_frames
        while True:
            self.messages, self.replies, self.slow_frames = [], [], 0
            super().feed(data)
            assert len(self.messages) + self.slow_frames < 2 * module.MAX_FRAMES_PER_TICK
            messages, replies, slow_frames = (
                messages + self.messages,
                replies + self.replies,
                slow_frames + self.slow_frames,
            )
            data = b""
            if not self.pending:
                break
        self.messages, self.replies, self.slow_frames = messages, replies, slow_frames


def read(data: bytes, *, max_bytes: int = MAX, step: int | None = None) -> FrameReceiver:
    receiver = Drained(max_bytes)
    for at in range(0, len(data), step or max(1, len(data))):
        receiver.feed(data[at : at + (step or len(data))])
    return receiver


def test_the_rfcs_own_example():
    assert list(read(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").messages) == ["Hello"]


STEPS = pytest.mark.parametrize("step", [None, 1, 2, 3, 7])


@STEPS
@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (frame(0x81, b"Hello"), ["Hello"]),
        (frame(0x82, b"Hello"), [b"Hello"]),
        (frame(0x81), [""]),
        (frame(0x82, b"\xff" * 126), [b"\xff" * 126]),
        (frame(0x81, "é😀".encode() * 33), ["é😀" * 33]),
        (frame(0x81, b"a") + frame(0x82, b"b") + frame(0x81, b"c"), ["a", b"b", "c"]),
        (frame(0x8A) + frame(0x81, b"a") + frame(0x8A, b"x" * 125), ["a"]),
        (frame(0x01, b"Hel") + frame(0x80, b"lo"), ["Hello"]),
        (frame(0x01, b"Hel") + frame(0x00) + frame(0x8A) + frame(0x80, b"lo") + frame(0x81, b"a"), ["Hello", "a"]),
        (frame(0x02, b"\xff") + frame(0x80, b"\xfe"), [b"\xff\xfe"]),
        (frame(0x01, b"\xc3") + frame(0x80, b"\xa9"), ["é"]),
        (b"\x81\xfe\x00\x01" + KEY + bytes([ord("a") ^ KEY[0]]), ["a"]),
        (b"\x81\xff" + bytes(7) + b"\x01" + KEY + bytes([ord("a") ^ KEY[0]]), ["a"]),
    ],
)
def test_messages_however_the_bytes_arrive(data, messages, step):
    receiver = read(data, step=step)
    assert list(receiver.messages) == messages
    assert receiver.close_code is None
    assert receiver.replies == []


@STEPS
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x81, b"Hello", masked=False), 1002),
        (frame(0x91, b"Hello"), 1002),
        (frame(0xC1, b"Hello"), 1002),
        (frame(0x83), 1002),
        (frame(0x8B), 1002),
        (frame(0x80, b"no start"), 1002),
        (frame(0x01, b"a") + frame(0x81, b"b"), 1002),
        (frame(0x09, b"a"), 1002),
        (frame(0x89, b"a" * 126), 1002),
        (frame(0x8A, b"a" * 126), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, struct.pack("!H", 1006)), 1002),
        (frame(0x88, struct.pack("!H", 1000) + b"\xff"), 1007),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x81, b"\xed\xa0\x80"), 1007),
        (frame(0x01, b"ok") + frame(0x00, b"\xff"), 1007),
        (frame(0x01, b"\xc3") + frame(0x80), 1007),
        (frame(0x81, b"a" * (MAX + 1)), 1009),
        (frame(0x01, b"a" * MAX) + frame(0x80, b"a"), 1009),
    ],
)
def test_a_fault_fails_the_connection_with_its_code(data, code, step):
    receiver = read(data + frame(0x81, b"after"), step=step)
    assert receiver.close_code == code
    assert not receiver.answered
    assert b"".join(receiver.replies)[:1] == b"\x88"
    assert struct.unpack("!H", b"".join(receiver.replies)[2:4]) == (code,)
    assert "after" not in receiver.messages


def test_what_came_before_a_fault_is_not_lost():
    assert list(read(frame(0x81, b"a") + frame(0x83)).messages) == ["a"]


def test_a_message_over_the_limit_is_refused_by_its_head_alone():
    for head in (frame(0x81, length=MAX + 1), frame(0x81, length=2**32), b"\x82\xff" + b"\xff" * 8):
        assert read(head).close_code == 1009


def test_text_that_cannot_become_utf8_fails_before_the_rest_of_it_arrives():
    assert read(frame(0x81, b"ab\xff" + b"c" * 50)[:-20]).close_code == 1007
    assert read(frame(0x81, b"ab\xff" + b"c" * 50)[:-51], step=1).close_code is None, "not before it can be known"
    assert read(frame(0x81, b"ab\xff" + b"c" * 50)[:-50], step=1).close_code == 1007
    assert read(frame(0x82, b"ab\xff" + b"c" * 50)[:-20]).close_code is None


def test_text_in_pieces_fails_as_soon_and_knows_what_came_before():
    start = frame(0x01, b"\xc3")
    assert read(start + frame(0x00, b"\xa9" + b"c" * 50)[:-20]).close_code is None
    assert read(start + frame(0x00, b"\xffcc" + b"c" * 50)[:-20]).close_code == 1007
    assert read(frame(0x01, b"ab\xff" + b"c" * 50)[:-20]).close_code == 1007
    assert read(frame(0x02, b"ab") + frame(0x00, b"\xff" * 50)[:-20]).close_code is None


def test_a_piece_over_the_limit_is_refused_by_its_head_alone():
    assert read(frame(0x01, b"a" * 100) + frame(0x80, length=MAX - 99)).close_code == 1009
    assert read(frame(0x01, b"a" * 100) + frame(0x80, length=MAX - 100)).close_code is None


@STEPS
def test_a_pong_amid_a_text_in_pieces_need_not_be_text(step):
    receiver = read(frame(0x01, b"a") + frame(0x8A, b"\xff\xff") + frame(0x80, b"b"), step=step)
    assert (receiver.messages, receiver.close_code) == (["ab"], None)


@STEPS
def test_a_close_ends_a_message_in_pieces(step):
    receiver = read(frame(0x01, b"a") + frame(0x88, struct.pack("!H", 1000)) + frame(0x80, b"b"), step=step)
    assert (receiver.close_code, receiver.answered) == (1000, True)


@STEPS
@pytest.mark.parametrize("payload", [b"", b"x" * 125])
def test_a_ping_is_answered_with_its_own_payload(payload, step):
    receiver = read(frame(0x89, payload), step=step)
    assert b"".join(receiver.replies) == bytes((0x8A, len(payload))) + payload


@STEPS
def test_a_ping_amid_fragments_is_answered_before_the_message_is_whole(step):
    receiver = read(frame(0x01, b"a") + frame(0x89, b"?"), step=step)
    assert receiver.replies == [b"\x8a\x01?"]
    assert not receiver.messages


@STEPS
@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (struct.pack("!H", 1000) + b"so long", 1000, "so long"),
        (struct.pack("!H", 1001), 1001, ""),
        (struct.pack("!H", 4999), 4999, ""),
        (b"", 1005, ""),
    ],
)
def test_a_close_is_answered_in_kind(payload, code, reason, step):
    receiver = read(frame(0x88, payload) + frame(0x81, b"after"), step=step)
    assert (receiver.close_code, receiver.close_reason, receiver.answered) == (code, reason, True)
    assert b"".join(receiver.replies) == bytes((0x88, len(payload))) + payload
    assert not receiver.messages


def test_nothing_is_kept_of_the_library_once_it_is_not_needed():
    receiver = read(frame(0x89) + frame(0x01, b"a") + frame(0x80, b"b"))
    assert receiver._library is None


class Library:
    """The judge: `websockets`' own protocol, alone."""

    def __init__(self) -> None:
        self.protocol = module.ServerProtocol(state=module.OPEN, max_size=MAX)
        self.messages: list[str | bytes] = []
        self.replies = b""
        self.failed: int | None = None

    def feed(self, data: bytes) -> None:
        parts: list[bytes] = []
        kind = None
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                kind = kind if event.opcode is Opcode.CONT else event.opcode
                parts.append(bytes(event.data))
                if event.fin:
                    whole = b"".join(parts)
                    parts.clear()
                    if kind is Opcode.TEXT:
                        try:
                            self.messages.append(whole.decode())
                        except UnicodeDecodeError:
                            self.failed = CloseCode.INVALID_DATA
                            return
                    else:
                        self.messages.append(whole)
        self.replies += b"".join(self.protocol.data_to_send())
        if self.protocol.close_sent is not None:
            close = self.protocol.close_sent if self.protocol.parser_exc else self.protocol.close_rcvd
            assert close is not None
            self.failed = close.code


def client_frame(opcode: Opcode, data: bytes, fin: bool) -> bytes:
    client = Protocol(CLIENT)
    try:
        client.send_frame(Frame(opcode, data, fin))
    except Exception:  # the client's side refuses to send what breaks the rules: make it by hand
        return frame((0x80 if fin else 0) | opcode, data)
    return b"".join(client.data_to_send())


def amid_pieces(stream: bytes) -> bool:
    """Return whether a message is in pieces at the first close, or at the first control frame too long for its rest.

    The library counts a control frame as a piece of the message.
    """
    at, open_, size = 0, False, 0
    while (head := frames.head(stream, at)) is not None and head.end > at + 2:
        length = head.end - head.start
        if head.first & 0x0F <= 2:
            open_ = not head.first & 0x80
            size = size + length if open_ else 0
        elif head.first == frames.FIN_CLOSE or size + length > MAX:
            return open_
        at = head.end
    return False


FRAMES = st.builds(
    client_frame,
    st.sampled_from(list(Opcode)),
    st.one_of(
        st.binary(max_size=20), st.text(max_size=20).map(str.encode), st.integers(0, 260).map(lambda n: b"y" * n)
    ),
    st.booleans(),
)
MUTATED = st.tuples(st.binary(min_size=1, max_size=60), st.integers(0, 59), st.integers(0, 255)).map(
    lambda t: t[0][: t[1]] + bytes([t[2]]) + t[0][t[1] + 1 :]
)
MANY = st.builds(lambda unit, times: unit * times, FRAMES, st.integers(60, 140))
STREAMS = st.lists(st.one_of(FRAMES, FRAMES, FRAMES, MANY, MUTATED), max_size=6).map(b"".join)


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 400), max_size=6))
@example(stream=frame(0x81, b"a") + frame(0x89) + frame(0x81, b"b"), cuts=[3, 9])
@example(stream=frame(0x01, b"a" * 19) + frame(0x88, b"b" * 182), cuts=[])
@example(stream=frame(0x01, b"a" * 124) + frame(0x89, b"b" * 77), cuts=[])
def test_both_lanes_agree_on_every_input(stream, cuts):
    """Whatever is sent, and however it is cut, our lanes say what the library alone says of it."""
    ours, judge = Drained(MAX), Library()
    judge.feed(stream)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in itertools.pairwise(edges):
        ours.feed(stream[start:end])
    if judge.failed == ours.close_code:
        assert list(ours.messages) == judge.messages
    elif amid_pieces(stream):
        # A control frame amid a message in pieces is a fault for the library, and for ours only if it is one by itself.
        assert judge.failed in (CloseCode.PROTOCOL_ERROR, CloseCode.MESSAGE_TOO_BIG)
        return
    else:
        # Bad UTF-8 is seen sooner by ours, in what is not a whole message yet.
        assert ours.close_code == CloseCode.INVALID_DATA
    if ours.close_code is None:
        assert b"".join(ours.replies) == judge.replies


UNITS = {
    "texts": frame(0x81, b"a"),
    "pings": frame(0x89, b"?"),
    "pongs": frame(0x8A),
    "empty fragments": frame(0x01) + frame(0x00) * 5 + frame(0x80),
    "texts and pings": frame(0x81, b"a") + frame(0x89),
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_a_flood_in_one_read_is_taken_in_turns_and_nothing_of_it_is_lost(unit: bytes):
    flood, turns = unit * 1_000 + frame(0x81, b"the last"), 0
    receiver = FrameReceiver(MAX)
    receiver.feed(flood)
    while receiver.pending:
        assert (
            module.MAX_FRAMES_PER_TICK <= len(receiver.messages) + receiver.slow_frames < 2 * module.MAX_FRAMES_PER_TICK
        )
        receiver.messages.clear()
        receiver.slow_frames = 0
        receiver.feed(b"")
        turns += 1
    assert turns >= 1_000 // (2 * module.MAX_FRAMES_PER_TICK)
    assert receiver.messages[-1] == "the last"
    assert read(flood).messages == read(flood, step=50).messages


def test_what_arrives_behind_what_is_pending_stays_behind_it():
    receiver = FrameReceiver(MAX)
    receiver.feed(b"".join(frame(0x81, b"%d" % number) for number in range(100)))
    assert receiver.pending
    first = receiver.messages[:]
    receiver.messages.clear()
    receiver.feed(frame(0x81, b"100"))
    assert first + receiver.messages == [str(number) for number in range(101)]


def test_a_close_ends_what_is_pending():
    receiver = FrameReceiver(MAX)
    receiver.feed(frame(0x89) * 100 + frame(0x88) + frame(0x89) * 1_000)
    assert (receiver.pending, receiver.close_code) == (True, None)
    receiver.slow_frames = 0
    receiver.feed(b"")
    assert (receiver.pending, receiver.close_code) == (False, CloseCode.NO_STATUS_RCVD)


@pytest.mark.parametrize("unit", [frame(0x89), frame(0x8A), frame(0x8A, b"x" * 125), frame(0x01) + frame(0x80)])
def test_frames_that_are_no_whole_message_are_counted(unit: bytes):
    count = 2 if len(unit) == 12 else 1
    for step in (None, 1, 5):
        assert read(unit * 10, step=step).slow_frames == 10 * count


@STEPS
def test_a_pong_is_seen_amid_fragments_as_well(step):
    receiver = read(frame(0x01, b"a") + frame(0x8A), step=step)
    assert (receiver.pong, receiver.slow_frames) == (True, 2)


@STEPS
@pytest.mark.parametrize(
    "stream", [frame(0x81, b"\xff" + b"a" * 100), frame(0x01, b"\xff") + frame(0x00), frame(0x01, b"a") + frame(0x81)]
)
def test_a_fault_is_told_once_and_holds_nothing(stream: bytes, step):
    receiver = read(stream + frame(0x81, b"\xff" * 100) * 3, step=step)
    assert receiver.close_code in (1002, 1007)
    assert len(receiver.replies) == 1
    assert not receiver._buffer
    assert (receiver._fragments, receiver._library) == (None, None)


@STEPS
@pytest.mark.parametrize("pieces", [1, 2, 3, 100])
def test_a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not(pieces: int, step):
    def message(size: int) -> bytes:
        parts = [b"a" * (size // pieces)] * (pieces - 1)
        parts.append(b"a" * (size - len(b"".join(parts))))
        firsts = [0x01] + [0x00] * (pieces - 1)
        firsts[-1] |= 0x80
        return b"".join(frame(first, part) for first, part in zip(firsts, parts, strict=True))

    assert read(message(MAX), step=step).messages == ["a" * MAX]
    over = read(message(MAX + 1), step=step)
    assert (over.messages, over.close_code) == ([], 1009)


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x81\x80\x00\x00"])
def test_any_key_will_do(key: bytes):
    text = b"any key"
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(text))
    for first in (0x81, 0x89):
        receiver = read(bytes((first, 0x80 | len(text))) + key + masked)
        assert receiver.messages == (["any key"] if first == 0x81 else [])
        assert receiver.replies == ([] if first == 0x81 else [b"\x8a\x07any key"])
