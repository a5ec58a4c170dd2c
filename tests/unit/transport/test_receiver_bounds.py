"""What one client can cost: the memory held for it, and the work that its bytes make, whatever their shape.

No clock decides: work is counted in calls, of Python and of C, and memory in the bytes that `tracemalloc` sees.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.transport.receiver import MAX_FRAMES_PER_TICK, FrameReceiver
from tests.unit.transport.test_receiver import frame

LIMIT = 65_536
READ = 65_536

# What is held beside the bytes themselves is the buffers' room to grow, and a few objects.
MEMORY_FACTOR = 1.25
MEMORY_BESIDE = 8_192

# Calls for each frame, for each tick, and for the library, which is asked once, at the end of a connection.
CALLS_OF_A_FRAME = 20
CALLS_OF_A_TURN = 30
CALLS_OF_THE_END = 200

MASKED_WITH_NOTHING = b"\x00\x00\x00\x00"

ENDLESS = {
    "half a text": lambda size: frame(0x81, length=LIMIT) + b"\x00" * size,
    "half a binary message": lambda size: frame(0x82, length=LIMIT) + b"\xff" * size,
    "half a frame of 64 bits": lambda size: b"\x82\xff" + LIMIT.to_bytes(8, "big") + MASKED_WITH_NOTHING + b"a" * size,
    "pieces of 2 bytes": lambda size: frame(0x01, b"a") + frame(0x00, b"ab") * (size // 8),
    "pieces of 1 byte": lambda size: frame(0x02, b"a") + frame(0x00, b"a") * (size // 7),
    "empty pieces": lambda size: frame(0x01, b"a") + frame(0x00) * (size // 6),
    "pieces cut inside a character": lambda size: (
        frame(0x01, b"a\xf0\x9f") + frame(0x00, b"\x98\x80\xf0\x9f") * (size // 10)
    ),
    "large pieces": lambda size: frame(0x01, b"a" * 1_000) + frame(0x00, b"b" * 1_000) * (size // 1_006),
    "pings between pieces": lambda size: frame(0x01, b"a") + (frame(0x00, b"b") + frame(0x89)) * (size // 13),
    "pongs between pieces": lambda size: (
        frame(0x01, b"a") + (frame(0x00, b"b") + frame(0x8A, b"x" * 125)) * (size // 138)
    ),
    "half a piece": lambda size: frame(0x01, b"a") + frame(0x80, length=LIMIT - 1) + b"\x00" * size,
    "half a ping": lambda size: frame(0x89, length=125) + b"\x00" * min(size, 124),
}
WHOLE = {
    "empty texts": lambda size: frame(0x81) * (size // 6),
    "texts of 1 byte": lambda size: frame(0x81, b"a") * (size // 7),
    "binary messages of 1 byte": lambda size: frame(0x82, b"a") * (size // 7),
    "pings": lambda size: frame(0x89) * (size // 6),
    "full pings": lambda size: frame(0x89, b"x" * 125) * (size // 131),
    "pongs": lambda size: frame(0x8A) * (size // 6),
    "full pongs": lambda size: frame(0x8A, b"x" * 125) * (size // 131),
    "texts and pings": lambda size: (frame(0x81, b"a") + frame(0x89)) * (size // 13),
    "messages in two pieces": lambda size: (frame(0x01, b"a") + frame(0x80, b"b")) * (size // 14),
    "bytes after a close": lambda size: frame(0x88) + b"\xff" * size,
    "closes": lambda size: frame(0x88) * (size // 6),
    "a compressed frame": lambda size: frame(0xC1, b"a") + b"\x81" * size,
    "an unmasked frame": lambda size: frame(0x81, b"a", masked=False) + b"\x81" * size,
    "a text that is none": lambda size: frame(0x81, b"\xff", length=LIMIT) + b"\xff" * size,
    "too large a message": lambda size: frame(0x81, length=LIMIT + 1) + b"a" * size,
}
Shape = Callable[[int], bytes]
SHAPES = [pytest.param(shape, id=name) for name, shape in (ENDLESS | WHOLE).items()]


@pytest.fixture(scope="module", autouse=True)
def _only_what_is_new_is_collected() -> Iterator[None]:
    """All that pytest and the other modules hold is much, and the collector would look through it each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Reader:
    """The reader of an `FrameReceiver`: it forgets what it gets at once, and notes the most there was in one tick."""

    def __init__(self) -> None:
        self.receiver = FrameReceiver(LIMIT)
        self.frames = self.turns = self.most = 0

    def read(self, data: bytes) -> None:
        receiver = self.receiver
        receiver.feed(data)
        self._take()
        while receiver.pending:
            receiver.feed(b"")
            self._take()

    def _take(self) -> None:
        receiver = self.receiver
        frames = len(receiver.messages) + receiver.slow_frames
        self.turns += 1
        self.frames += frames
        self.most = max(self.most, frames)
        receiver.messages.clear()
        receiver.replies.clear()
        receiver.slow_frames = 0


def reads(stream: bytes, step: int) -> Iterator[bytes]:
    return (stream[at : at + step] for at in range(0, len(stream), step))


def memory_after(stream: bytes, step: int) -> tuple[int, int]:
    """Return the bytes that are held at the end, and the most there were in between, beside the stream itself."""
    pieces = list(reads(stream, step))
    tracemalloc.start()
    try:
        reader = Reader()
        for piece in pieces:
            reader.read(piece)
        most = tracemalloc.get_traced_memory()[1]
        # The library's protocol leads back to itself: it goes with the collector.
        gc.collect()
        return tracemalloc.get_traced_memory()[0], most
    finally:
        tracemalloc.stop()


def calls_of(stream: bytes, step: int) -> tuple[int, Reader]:
    """Return how many calls the stream makes, and the reader that made them."""
    pieces, reader, count = list(reads(stream, step)), Reader(), itertools.count()

    def note(_: object, event: str, __: object) -> None:
        if event in ("call", "c_call"):
            next(count)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for piece in pieces:
            reader.read(piece)
    finally:
        sys.setprofile(before)
    return next(count), reader


STEPS = pytest.mark.parametrize("step", [1, 100, READ])


@STEPS
@pytest.mark.parametrize("shape", SHAPES)
def test_the_memory_held_is_that_of_the_bytes_that_wait(shape: Shape, step: int):
    """In small reads a message that never ends; what is whole, and all but its bytes, is gone at once."""
    size = 3_000 if step < READ else LIMIT - 2_000
    stream = shape(size)
    memory_after(shape(100), step)
    held, most = memory_after(stream, step)
    waiting = len(stream) if shape in ENDLESS.values() else 0
    assert held <= MEMORY_FACTOR * waiting + MEMORY_BESIDE
    # Meanwhile a read, and the frame that it completes, are there as bytes, unmasked and as text.
    assert most <= 6 * len(stream) + 4 * MEMORY_BESIDE


@STEPS
@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_with_the_frames_and_the_reads_and_no_faster(shape: Shape, step: int):
    calls, reader = calls_of(shape(2_000), step)
    assert calls <= CALLS_OF_A_FRAME * reader.frames + CALLS_OF_A_TURN * reader.turns + CALLS_OF_THE_END
    twice, _ = calls_of(shape(4_000), step)
    # A frame more or less, as the reads cut them.
    assert twice <= 2.2 * calls + CALLS_OF_THE_END


@pytest.mark.parametrize("shape", SHAPES)
def test_no_turn_takes_more_than_its_share(shape: Shape):
    reader = Reader()
    reader.read(shape(READ))
    assert reader.most < 2 * MAX_FRAMES_PER_TICK


ANY = st.sampled_from(list((ENDLESS | WHOLE).values()))


@settings(max_examples=20)
@given(shapes=st.lists(st.tuples(ANY, st.integers(0, 1_000)), max_size=4), step=st.integers(1, 2_000))
def test_any_mixture_is_bounded_as_well(shapes: list[tuple[Shape, int]], step: int):
    stream = b"".join(shape(size) for shape, size in shapes)
    calls, reader = calls_of(stream, step)
    assert calls <= CALLS_OF_A_FRAME * reader.frames + CALLS_OF_A_TURN * reader.turns + CALLS_OF_THE_END
    assert reader.most < 2 * MAX_FRAMES_PER_TICK
    held, _ = memory_after(stream, step)
    assert held <= MEMORY_FACTOR * len(stream) + 2 * MEMORY_BESIDE


def test_a_message_in_pieces_of_two_bytes_takes_what_a_whole_one_does():
    in_pieces, _ = memory_after(frame(0x02, b"ab") + frame(0x00, b"ab") * 30_000, READ)
    whole, _ = memory_after(frame(0x82, length=LIMIT) + b"a" * 60_000, READ)
    assert in_pieces <= 1.2 * whole + MEMORY_BESIDE
