"""Incomplete messages: join fragments, and fail text early that cannot become UTF-8. Sans-I/O."""

from __future__ import annotations

import codecs

from . import frames

_utf8 = codecs.getincrementaldecoder("utf-8")


class Fragments:
    """A fragmented message. Fragments are joined on arrival: many small ones take no more memory than few large ones.

    Attributes:
        decoder: checks the UTF-8 of a text message; None for a binary message.
    """

    __slots__ = ("_joined", "decoder")

    def __init__(self, *, text: bool) -> None:
        self.decoder = _utf8() if text else None
        self._joined = bytearray()

    def __len__(self) -> int:
        """The number of bytes so far."""
        return len(self._joined)

    def add(self, data: bytes, fin: bool) -> str | bytes | None:
        """Append a fragment, and return the whole message if ``fin`` marks the last fragment.

        Raises:
            UnicodeDecodeError: the text cannot become UTF-8.
        """
        self._joined += data
        if self.decoder is not None:
            self.decoder.decode(data, fin)
        if not fin:
            return None
        return bytes(self._joined) if self.decoder is None else self._joined.decode()


class TextCheck:
    """The UTF-8 check of an incomplete text frame."""

    __slots__ = ("_checked", "_decoder", "_start")

    def __init__(self, start: int, previous: codecs.IncrementalDecoder | None) -> None:
        """Check the payload that begins at ``start``; ``previous`` has decoded the fragments before it, if any."""
        self._start = start
        self._checked = 0
        self._decoder = _utf8()
        if previous is not None:
            self._decoder.setstate(previous.getstate())

    def check(self, buffer: bytearray) -> None:
        """Check the bytes of the masked frame in ``buffer`` that arrived since the last call.

        Raises:
            UnicodeDecodeError: the text cannot become UTF-8.
        """
        self._decoder.decode(frames.unmask(buffer, self._start, len(buffer), self._checked))
        self._checked = len(buffer) - self._start
