"""One client's bytes to messages. Sans-I/O.

Frames that are in order are taken here: whole messages in a short lane of their own, since nearly all frames are that,
then fragments, pings and pongs. The first frame that is not in order goes to `websockets`' sans-I/O protocol, which
judges how the connection ends: with a close of the client's, or with which fault.

The work of one call and the memory that is held are bounded, whatever a client sends: see :data:`MAX_FRAMES_PER_TURN`.
"""

from __future__ import annotations

import struct

from websockets.frames import CloseCode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from . import frames
from .fragments import Fragments, TextCheck
from .frames import (
    BINARY,
    CONTINUATION,
    FIN_BINARY,
    FIN_CLOSE,
    FIN_CONTINUATION,
    FIN_PING,
    FIN_PONG,
    FIN_TEXT,
    MAX_CONTROL_BYTES,
    TEXT,
)

# The first two bytes of a frame, and its length if that has 16 bits.
_short_head = struct.Struct(">BBH").unpack_from

MAX_FRAMES_PER_TURN = 64
"""After so many whole messages, or so many frames in all, the rest waits for the next turn of the loop."""

MAX_FRAMES_AFTER_CLOSE = 1_000
"""So many frames are looked through for the answer to a close of ours. What comes after them is dropped unseen."""

_TURN = range(MAX_FRAMES_PER_TURN)


class FrameReceiver:
    """What a client sends, from right after its handshake.

    It holds at most one frame and one message in pieces, each of up to the limit of a message, beside what was fed to
    it last.

    Attributes:
        messages: whole messages, oldest first: ``str`` of a text message, ``bytes`` of a binary one. The reader of
            this empties it before it feeds more.
        replies: frames to send back (pong, close); the reader of this empties it.
        pong: set True by a whole pong; the reader of this sets it False.
        slow_frames: the number of frames that are no whole message: pings, pongs, fragments, a close. The reader sets
            it to 0 before it feeds more.
        pending: True while frames that are here wait for the next call of :meth:`feed`.
        close_code: None while the client may go on; else the code that this side of the connection ended with.
        close_reason: the words that came, or are sent, with it.
        answered: True when the close is the client's own and has its answer in ``replies``.
    """

    __slots__ = (
        "_fragments",
        "_held",
        "_library",
        "_max_bytes",
        "_need",
        "_skimmed",
        "_tail",
        "answered",
        "close_code",
        "close_reason",
        "messages",
        "pending",
        "pong",
        "replies",
        "slow_frames",
    )

    def __init__(self, max_bytes: int) -> None:
        self.messages: list[str | bytes] = []
        self.replies: list[bytes] = []
        self.pong = False
        self.slow_frames = 0
        self.pending = False
        self.close_code: int | None = None
        self.close_reason = ""
        self.answered = False
        self._max_bytes = max_bytes
        # What waits: the start of a frame that is not whole yet, with how many bytes to wait for, or what is pending.
        self._held = bytearray()
        self._need = 0
        # Frames that came after our close.
        self._skimmed = 0
        self._tail: TextCheck | None = None
        # A message whose last fragment is still to come.
        self._fragments: Fragments | None = None
        # From the frame on that ends the connection.
        self._library: ServerProtocol | None = None

    def feed(self, data: bytes) -> None:
        """Take what the network brought, behind what is pending: up to :data:`MAX_FRAMES_PER_TURN` frames of it.

        After a close the rest is passed over (RFC 6455, section 5.5.1).
        """
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                self._check_tail()
                return
            data = bytes(self._held)
            self._held.clear()
            self._tail = None
            self.pending = False
        at, size = self._parse_fast(data, 0), len(data)
        while at < size and self.close_code is None:
            if self._library is not None:
                self._judge(self._library, data[at:])
                return
            if len(self.messages) + self.slow_frames >= MAX_FRAMES_PER_TURN:
                self.put_off(data[at:])
                return
            head = frames.head(data, at)
            if head is None:
                self._hold(data[at:], size - at + 1)
                return
            first, start, end = head
            if start < at + 6 or not self._is_in_order(first, end - start):
                self.slow_frames += 1
                self._library = self._open_library(first)
            elif end > size:
                self._hold(data[at:], end - at)
                self._check_tail()
                return
            else:
                self.slow_frames += 1
                self._parse_slow(first, frames.unmask(data, start, end))
                at = self._parse_fast(data, end)

    def skim(self, data: bytes) -> None:
        """Take what comes after a close of ours: the client's answer to it counts, and nothing else is kept."""
        if self._skimmed < MAX_FRAMES_AFTER_CLOSE:
            self.feed(data)
            self._skimmed += len(self.messages) + self.slow_frames
        else:
            self._held.clear()
            self.pending = False
        self.messages.clear()
        self.replies.clear()
        self.slow_frames = 0

    def _parse_fast(self, data: bytes, at: int) -> int:
        """The short lane: take the whole messages from ``data[at]`` on that are one frame, and return where they end.

        It repeats what ``frames.head`` knows, since nearly all the bytes there are go through here.
        """
        if self._fragments is not None or self._library is not None or self.close_code is not None:
            return at
        first: int
        start: int
        end: int
        size = len(data)
        for _ in _TURN:
            if at + 6 > size:
                return at
            first, second, length = _short_head(data, at)
            if second < 0xFE:
                if second < 0x80:
                    return at
                start = at + 6
                end = start + second - 0x80
            elif second == 0xFE and at + 8 <= size:
                start = at + 8
                end = start + length
            else:
                head = frames.head(data, at)
                if head is None:
                    return at
                first, start, end = head
            if end > size or end - start > self._max_bytes:
                return at
            if first == FIN_TEXT:
                try:
                    self.messages.append(apply_mask(data[start:end], data[start - 4 : start]).decode())
                except UnicodeDecodeError as error:
                    self._fail(error)
                    return end
            elif first == FIN_BINARY:
                self.messages.append(apply_mask(data[start:end], data[start - 4 : start]))
            else:
                return at
            at = end
        return at

    def _is_in_order(self, first: int, size: int) -> bool:
        """Tell if a masked frame is in order, as far as its head tells, and none that ends the connection."""
        if first in (FIN_PING, FIN_PONG):
            return size <= MAX_CONTROL_BYTES
        if first in (TEXT, FIN_TEXT, BINARY, FIN_BINARY):
            return self._fragments is None and size <= self._max_bytes
        if first in (CONTINUATION, FIN_CONTINUATION) and self._fragments is not None:
            return size <= self._max_bytes - len(self._fragments)
        return False

    def _parse_slow(self, first: int, payload: bytes) -> None:
        """Take a frame that is in order and no whole message."""
        if first == FIN_PING:
            self.replies.append(frames.pong(payload))
            return
        if first == FIN_PONG:
            self.pong = True
            return
        if self._fragments is None:
            self._fragments = Fragments(text=first == TEXT)
        try:
            message = self._fragments.add(payload, first == FIN_CONTINUATION)
        except UnicodeDecodeError as error:
            self._fail(error)
        else:
            if message is not None:
                self.messages.append(message)
                self._fragments = None

    def put_off(self, data: bytes) -> None:
        """Leave ``data`` to the next call of :meth:`feed`."""
        self._hold(data, 0)
        self.pending = True

    def _hold(self, data: bytes, need: int) -> None:
        self._held += data
        self._need = need

    def _check_tail(self) -> None:
        # A text that cannot become UTF-8 any more fails at once, however long the rest of it takes (section 8.1).
        head = frames.head(self._held)
        if head is None or head.first in (FIN_PING, FIN_PONG) or head.start > len(self._held):
            return
        if self._tail is None:
            decoder = self._fragments.decoder if self._fragments is not None else None
            if decoder is None and head.first not in (TEXT, FIN_TEXT):
                return
            self._tail = TextCheck(head.start, decoder)
        try:
            self._tail.check(self._held)
        except UnicodeDecodeError as error:
            self._fail(error)

    def _open_library(self, first: int) -> ServerProtocol:
        """Return the library as it is before the frame that begins with ``first``, which ends the connection."""
        library = ServerProtocol(state=OPEN, max_size=self._max_bytes)
        # A close ends a message in fragments as well, for which the library would call it a fault.
        if self._fragments is not None and first != FIN_CLOSE:
            library.receive_data(frames.first_fragment(len(self._fragments)))
            library.events_received()
        return library

    def _judge(self, library: ServerProtocol, data: bytes) -> None:
        library.receive_data(data)
        sent, received = library.close_sent, library.close_rcvd
        if sent is None:
            return
        # The library ends its output with an empty string where it half-closes; the connection does that itself.
        self.replies += filter(None, library.data_to_send())
        self.answered = library.parser_exc is None and received is not None
        close = received if self.answered and received is not None else sent
        self._end(close.code, close.reason)

    def _fail(self, error: UnicodeDecodeError) -> None:
        reason = f"{error.reason} at position {error.start}"
        self.replies.append(frames.close(CloseCode.INVALID_DATA, reason))
        self._end(CloseCode.INVALID_DATA, reason)

    def _end(self, code: int, reason: str) -> None:
        self.close_code, self.close_reason = int(code), reason
        self._held.clear()
        self._fragments = self._library = self._tail = None
