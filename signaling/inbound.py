"""One client's bytes to messages, in two lanes that agree on every input. Sans-I/O.

The short lane unmasks a whole, unfragmented data frame, which is nearly all there is, and drops a whole pong. All else
goes byte for byte to `websockets`' sans-I/O protocol, which judges control frames, fragments, closing and every
fault; it is made when it is needed and let go at the next frame that finds no message in pieces.
"""

from __future__ import annotations

import codecs
import struct

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from . import frames
from .frames import BINARY, CONTINUATION, FIN_BINARY, FIN_CLOSE, FIN_CONTINUATION, FIN_PONG, FIN_TEXT, TEXT

_utf8 = codecs.getincrementaldecoder("utf-8")

# The first two bytes of a frame, and its length if that has 16 bits.
_short_head = struct.Struct(">BBH").unpack_from


MOST_EXTRAS = 1_000
"""Frames that are neither a whole message nor a pong, in one read: fragments of 64 bytes still pass."""


class Inbound:
    """What a client sends, from right after its handshake.

    Attributes:
        messages: whole messages, oldest first: ``str`` of a text message, ``bytes`` of a binary one. The reader of
            this empties it.
        replies: frames to send back (pong, close); the reader of this empties it.
        pong: set True by a whole pong; the reader of this sets it False.
        extras: how many frames there were beside whole messages and pongs; the reader of this sets it 0. Over
            :data:`MOST_EXTRAS` before that, the client is closed with 1008: each takes far longer than it took to send.
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
        "_rest",
        "_tail",
        "answered",
        "close_code",
        "close_reason",
        "extras",
        "messages",
        "pong",
        "replies",
    )

    def __init__(self, max_bytes: int) -> None:
        self.messages: list[str | bytes] = []
        self.replies: list[bytes] = []
        self.pong = False
        self.extras = 0
        self.close_code: int | None = None
        self.close_reason = ""
        self.answered = False
        self._max_bytes = max_bytes
        # The start of a frame that is not whole yet, and how many bytes to wait for.
        self._held = bytearray()
        self._need = 0
        self._tail: _Tail | None = None
        # The library while it is needed, and how many bytes of its present frame are still to come.
        self._library: ServerProtocol | None = None
        self._rest = 0
        self._fragments: _Fragments | None = None

    def feed(self, data: bytes) -> None:
        """Take what the network brought; after a close the rest is passed over (RFC 6455, section 5.5.1)."""
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                self._check_tail()
                return
            data = bytes(self._held)
            self._held.clear()
            self._tail = None
        at, size = self._take_whole(data, 0), len(data)
        while at < size and self.close_code is None:
            if not self._rest:
                head = frames.head(data, at)
                if head is None:
                    self._hold(data[at:], size - at + 1)
                    return
                if head.end > size and self._is_sound(head):
                    self._hold(data[at:], head.end - at)
                    self._check_tail()
                    return
                self._rest = head.end - at
                self.extras += 1
                if self.extras > MOST_EXTRAS:
                    self._fail(CloseCode.POLICY_VIOLATION, "too many small frames")
                    return
                if head.first == FIN_CLOSE:
                    # It ends a message in pieces as well, for which the library would call it a fault.
                    self._fragments = self._library = None
            end = min(size, at + self._rest)
            self._rest -= end - at
            self._pass_on(data[at:end])
            at = self._take_whole(data, end)

    def _take_whole(self, data: bytes, at: int) -> int:
        """The short lane: take the whole frames from ``data[at]`` on that are for it, and return where they end.

        It repeats what ``frames.head`` knows, since nearly all the bytes there are go through here.
        """
        if self._rest or self._fragments is not None or self.close_code is not None:
            return at
        first: int
        start: int
        end: int
        size = len(data)
        while at + 6 <= size:
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
                    self._fail_text(error)
                    return end
            elif first == FIN_BINARY:
                self.messages.append(apply_mask(data[start:end], data[start - 4 : start]))
            elif first == FIN_PONG and second < 0xFE:
                self.pong = True
            else:
                return at
            at = end
        return at

    def _is_sound(self, head: frames.Head) -> bool:
        """Tell if the frame is one to wait for; what is wrong already must be judged now."""
        size = head.end - head.start
        if head.first == FIN_PONG:
            return size <= 125
        if head.first in (TEXT, FIN_TEXT, BINARY, FIN_BINARY):
            return self._fragments is None and size <= self._max_bytes
        if head.first in (CONTINUATION, FIN_CONTINUATION) and self._fragments is not None:
            return size <= self._max_bytes - self._fragments.size
        return False

    def _hold(self, data: bytes, need: int) -> None:
        self._held += data
        self._need = need

    def _check_tail(self) -> None:
        # A text that cannot become UTF-8 any more fails at once, however long the rest of it takes (section 8.1).
        head = frames.head(self._held)
        if head is None or head.first == FIN_PONG or head.start > len(self._held):
            return
        if self._tail is None:
            decoder = self._fragments.decoder if self._fragments else None
            if decoder is None and head.first not in (TEXT, FIN_TEXT):
                return
            self._tail = _Tail(head.start, decoder)
        try:
            self._tail.check(self._held)
        except UnicodeDecodeError as error:
            self._fail_text(error)

    def _pass_on(self, data: bytes) -> None:
        library = self._library
        if library is None:
            library = self._library = ServerProtocol(state=OPEN, max_size=self._max_bytes)
        library.receive_data(data)
        for event in library.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._finish(library)
        if not self._rest and self._fragments is None:
            self._library = None

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._fragments = _Fragments(text=frame.opcode is Opcode.TEXT)
        elif frame.opcode is not Opcode.CONT:
            return
        assert self._fragments is not None
        try:
            message = self._fragments.add(bytes(frame.data), frame.fin)
        except UnicodeDecodeError as error:
            self._fail_text(error)
        else:
            if message is not None:
                self.messages.append(message)
                self._fragments = None

    def _fail_text(self, error: UnicodeDecodeError) -> None:
        self._fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")

    def _fail(self, code: CloseCode, reason: str) -> None:
        library = self._library or ServerProtocol(state=OPEN)
        library.fail(code, reason)
        self._finish(library)

    def _finish(self, library: ServerProtocol) -> None:
        # The library ends its output with an empty string where it half-closes; the connection does that itself.
        self.replies += filter(None, library.data_to_send())
        if library.close_sent is not None:
            self.answered = library.parser_exc is None and library.close_rcvd is not None
            close = library.close_rcvd if self.answered and library.close_rcvd else library.close_sent
            self.close_code, self.close_reason = int(close.code), close.reason


class _Tail:
    """The check of a text frame that is still on its way."""

    __slots__ = ("_decoder", "_done", "_start")

    def __init__(self, start: int, before: codecs.IncrementalDecoder | None) -> None:
        self._start = start
        self._done = 0
        self._decoder = _utf8()
        if before is not None:
            self._decoder.setstate(before.getstate())

    def check(self, held: bytearray) -> None:
        self._decoder.decode(frames.unmask(held, self._start, len(held), self._done))
        self._done = len(held) - self._start


class _Fragments:
    """A message in pieces."""

    __slots__ = ("_parts", "decoder", "size")

    def __init__(self, *, text: bool) -> None:
        self.decoder = _utf8() if text else None
        self.size = 0
        self._parts: list[bytes] = []

    def add(self, data: bytes, fin: bool) -> str | bytes | None:
        """Return the whole message when this was its last piece.

        Raises:
            UnicodeDecodeError: it is a text that cannot become UTF-8 any more.
        """
        self.size += len(data)
        self._parts.append(data)
        if self.decoder is not None:
            self.decoder.decode(data, fin)
        if not fin:
            return None
        whole = b"".join(self._parts)
        return whole if self.decoder is None else whole.decode()
