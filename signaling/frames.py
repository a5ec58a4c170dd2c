"""WebSocket frames in bytes: the short lane in, and every frame out (RFC 6455, section 5.2). Pure.

The short lane takes a whole, unfragmented, masked data frame, which is nearly all there is, and a whole masked pong.
All else is for `websockets`' sans-I/O protocol.
"""

from __future__ import annotations

from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.speedups import apply_mask

FIN_TEXT, FIN_BINARY, FIN_PONG = 0x81, 0x82, 0x8A

PING = Frame(Opcode.PING, b"").serialize(mask=False)

class Head(NamedTuple):
    """The head of a frame: its first byte, where its payload starts and ends, and if it is masked."""

    first: int
    start: int
    end: int
    masked: bool


def head(data: bytes | bytearray, at: int = 0) -> Head | None:
    """Return the head of the frame that begins at ``data[at]``, or None when it is not all there yet."""
    size = len(data) - at
    if size < 2:
        return None
    second = data[at + 1]
    length = second & 0x7F
    start = at + (6 if second & 0x80 else 2)
    if length >= 126:
        width = 2 if length == 126 else 8
        start += width
        length = int.from_bytes(data[at + 2 : at + 2 + width], "big")
    if size < start - at:
        return None
    return Head(data[at], start, start + length, second >= 0x80)


def unmask(data: bytes | bytearray, start: int, end: int) -> bytes:
    """Return the payload ``data[start:end]`` of a masked frame, whose masking key stands just before it."""
    return apply_mask(data[start:end], data[start - 4 : start])


def text(payload: bytes) -> bytes:
    """Return the text frame of ``payload``, which is UTF-8."""
    length = len(payload)
    if length < 126:
        return bytes((FIN_TEXT, length)) + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


def binary(payload: bytes) -> bytes:
    """Return the binary frame of ``payload``."""
    return Frame(Opcode.BINARY, payload).serialize(mask=False)


def close(code: int, reason: str) -> bytes:
    """Return a close frame; ``reason`` is cut to the 123 bytes a control frame has room for."""
    return Frame(Opcode.CLOSE, Close(code, reason.encode()[:123].decode(errors="ignore")).serialize()).serialize(mask=False)
