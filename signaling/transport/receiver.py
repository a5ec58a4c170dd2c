"""Parse the bytes of one client into messages. Sans-I/O.

This parses valid frames itself: whole messages on a fast path, since nearly all frames are that; then fragments, pings,
pongs and closes. The first invalid frame goes to the sans-I/O protocol of `websockets`. The library decides how the
connection ends.

The work of one call and the buffered bytes are bounded, whatever a client sends: see :data:`MAX_FRAMES_PER_TICK`.
"""

from __future__ import annotations

import struct

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode
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

MAX_FRAMES_PER_TICK = 64
"""Frames of one client that are parsed in one tick of the event loop. The rest waits for the next tick."""

MAX_FRAMES_AFTER_CLOSE = 1_000
"""Frames that are searched for the client's answer to our close frame. Later bytes are dropped unparsed."""

_TICK = range(MAX_FRAMES_PER_TICK)

_CONTROL = (FIN_PING, FIN_PONG, FIN_CLOSE)


class FrameReceiver:
    """The frames that a client sends after its handshake.

    It buffers at most one frame and one fragmented message, each up to the message limit, besides the last bytes fed.

    Attributes:
        messages: whole messages, oldest first: ``str`` for a text message, ``bytes`` for a binary one. The caller
            empties it before it feeds more.
        replies: frames to send back (pongs, a close). The caller empties it.
        pong: True after a pong; the caller sets it False.
        slow_frames: the number of frames that are not whole messages: pings, pongs, fragments, a close. The caller
            sets it to 0 before it feeds more.
        pending: True while received frames wait for the next call of :meth:`feed`.
        close_code: None while the client may send; afterwards the code with which this side ends.
        close_reason: the reason that goes with the close code.
        answered: True if the client sent a valid close frame. The answer to it is in ``replies``.
    """

    __slots__ = (
        "_buffer",
        "_fragments",
        "_frames_after_close",
        "_library",
        "_max_bytes",
        "_needed",
        "_text_check",
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
        # The start of an incomplete frame, which becomes parsable at the needed number of bytes, or pending frames.
        self._buffer = bytearray()
        self._needed = 0
        self._frames_after_close = 0
        self._text_check: TextCheck | None = None
        # The message of which the last fragment is missing.
        self._fragments: Fragments | None = None
        # Set by the frame that ends the connection.
        self._library: ServerProtocol | None = None

    def feed(self, data: bytes) -> None:
        """Parse what is pending and then ``data``, up to :data:`MAX_FRAMES_PER_TICK` frames.

        After a close frame, ignore all further data (RFC 6455, section 5.5.1).
        """
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                self._check_partial_text()
                return
            data = bytes(self._buffer)
            self._buffer.clear()
            self._text_check = None
            self.pending = False
        at, size = self._parse_fast(data, 0), len(data)
        while at < size and self.close_code is None:
            if self._library is not None:
                self._feed_library(self._library, data[at:])
                return
            if len(self.messages) + self.slow_frames >= MAX_FRAMES_PER_TICK:
                self.postpone(data[at:])
                return
            head = frames.head(data, at)
            if head is None:
                self._keep(data[at:], size - at + 1)
                return
            first, start, end = head
            if start < at + 6 or not self._is_valid(first, end - start):
                self.slow_frames += 1
                self._library = self._open_library(first)
            elif end > size:
                self._keep(data[at:], end - at)
                self._check_partial_text()
                return
            else:
                self.slow_frames += 1
                if self._parse_slow(first, frames.unmask(data, start, end)):
                    at = self._parse_fast(data, end)
                else:
                    self._library = self._open_library(first)

    def feed_after_close(self, data: bytes) -> None:
        """Parse ``data`` for the client's answer to our close frame, and drop everything else."""
        if self._frames_after_close < MAX_FRAMES_AFTER_CLOSE:
            self.feed(data)
            self._frames_after_close += len(self.messages) + self.slow_frames
        else:
            self._buffer.clear()
            self.pending = False
        self.messages.clear()
        self.replies.clear()
        self.slow_frames = 0

    def _parse_fast(self, data: bytes, at: int) -> int:
        """Parse the unfragmented messages that begin at ``data[at]``, and return where they end.

        It repeats some code of ``frames.head``, since nearly all bytes are parsed here.
        """
        if self._fragments is not None or self._library is not None or self.close_code is not None:
            return at
        first: int
        start: int
        end: int
        size = len(data)
        for _ in _TICK:
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

    def _is_valid(self, first: int, size: int) -> bool:
        """Return whether the head of a masked frame is valid."""
        if first in _CONTROL:
            return size <= MAX_CONTROL_BYTES
        if first in (TEXT, FIN_TEXT, BINARY, FIN_BINARY):
            return self._fragments is None and size <= self._max_bytes
        if first in (CONTINUATION, FIN_CONTINUATION) and self._fragments is not None:
            return size <= self._max_bytes - len(self._fragments)
        return False

    def _parse_slow(self, first: int, payload: bytes) -> bool:
        """Process a frame that is not a whole message; return False, with nothing done, for an invalid close."""
        if first == FIN_CLOSE:
            return self._parse_close(payload)
        if first == FIN_PING:
            self.replies.append(frames.pong(payload))
        elif first == FIN_PONG:
            self.pong = True
        else:
            self._parse_fragment(first, payload)
        return True

    def _parse_close(self, payload: bytes) -> bool:
        """Answer a close frame with the same (RFC 6455, section 5.5.1), unless it is invalid."""
        try:
            close = Close.parse(payload)
        except (ProtocolError, UnicodeDecodeError):
            return False
        self.replies.append(bytes((FIN_CLOSE, len(payload))) + payload)
        self.answered = True
        self._end(close.code, close.reason)
        return True

    def _parse_fragment(self, first: int, payload: bytes) -> None:
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

    def postpone(self, data: bytes) -> None:
        """Leave ``data`` to the next call of :meth:`feed`."""
        self._keep(data, 0)
        self.pending = True

    def _keep(self, data: bytes, needed: int) -> None:
        self._buffer += data
        self._needed = needed

    def _check_partial_text(self) -> None:
        # Text that cannot become UTF-8 fails at once, however late the rest arrives (RFC 6455, section 8.1).
        head = frames.head(self._buffer)
        if head is None or head.first in _CONTROL or head.start > len(self._buffer):
            return
        if self._text_check is None:
            decoder = self._fragments.decoder if self._fragments is not None else None
            if decoder is None and head.first not in (TEXT, FIN_TEXT):
                return
            self._text_check = TextCheck(head.start, decoder)
        try:
            self._text_check.check(self._buffer)
        except UnicodeDecodeError as error:
            self._fail(error)

    def _open_library(self, first: int) -> ServerProtocol:
        """Return the library in the state before the frame that ends the connection and begins with ``first``."""
        library = ServerProtocol(state=OPEN, max_size=self._max_bytes)
        # A close frame may come between fragments. The library would call that a protocol error.
        if self._fragments is not None and first != FIN_CLOSE:
            library.receive_data(frames.first_fragment(len(self._fragments)))
            library.events_received()
        return library

    def _feed_library(self, library: ServerProtocol, data: bytes) -> None:
        library.receive_data(data)
        sent, received = library.close_sent, library.close_rcvd
        if sent is None:
            return
        # The library requests a half-close with an empty string. The closing handshake does that itself.
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
        self._buffer.clear()
        self._fragments = self._library = self._text_check = None
