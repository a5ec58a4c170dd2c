"""A message that is not whole yet: what came of it, and whether that can still become UTF-8. Sans-I/O."""

from __future__ import annotations

import codecs

from . import frames

_utf8 = codecs.getincrementaldecoder("utf-8")


class Fragments:
    """A message in fragments, joined as they come: many small ones take no more memory than few large ones.

    Attributes:
        decoder: what checks the text, None of a binary message.
    """

    __slots__ = ("_joined", "decoder")

    def __init__(self, *, text: bool) -> None:
        self.decoder = _utf8() if text else None
        self._joined = bytearray()

    def __len__(self) -> int:
        """The number of bytes there are."""
        return len(self._joined)

    def add(self, data: bytes, fin: bool) -> str | bytes | None:
        """Return the whole message when this was its last fragment.

        Raises:
            UnicodeDecodeError: it is a text that cannot become UTF-8 any more.
        """
        self._joined += data
        if self.decoder is not None:
            self.decoder.decode(data, fin)
        if not fin:
            return None
        return bytes(self._joined) if self.decoder is None else self._joined.decode()


class TextCheck:
    """The check of a text frame of which a part is still on its way."""

    __slots__ = ("_decoder", "_done", "_start")

    def __init__(self, start: int, before: codecs.IncrementalDecoder | None) -> None:
        """Check the payload that begins at ``start`` in what is held; ``before`` knows the fragments before it."""
        self._start = start
        self._done = 0
        self._decoder = _utf8()
        if before is not None:
            self._decoder.setstate(before.getstate())

    def check(self, held: bytearray) -> None:
        """Look at what came since the last time.

        Raises:
            UnicodeDecodeError: it cannot become UTF-8 any more.
        """
        self._decoder.decode(frames.unmask(held, self._start, len(held), self._done))
        self._done = len(held) - self._start
