"""WebSocket frames in bytes: the head of what comes in, and every frame out (RFC 6455, section 5.2). Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.speedups import apply_mask

# The first bytes there are of a frame that is not at fault.
CONTINUATION, TEXT, BINARY = 0x00, 0x01, 0x02
FIN_CONTINUATION, FIN_TEXT, FIN_BINARY, FIN_CLOSE, FIN_PING, FIN_PONG = 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A

MAX_CONTROL_BYTES = 125
"""Of the payload of a ping, a pong or a close (RFC 6455, section 5.5)."""

PING = Frame(Opcode.PING, b"").serialize(mask=False)

_head_16 = struct.Struct(">BBH").pack
_head_64 = struct.Struct(">BBQ").pack
_OPCODES = frozenset(Opcode)


class Head(NamedTuple):
    """The head of a frame: its first byte, and where its payload starts and ends."""

    first: int
    start: int
    end: int


def head(data: bytes | bytearray, at: int = 0) -> Head | None:
    """Return the head of the frame that begins at ``data[at]``, or None when its length is not all there yet.

    A frame that is already wrong, unmasked or of an unknown opcode, is said to start and end where that can be seen:
    right behind its first two bytes, where no masked frame does.
    """
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    if second < 0x80 or first & 0x0F not in _OPCODES:
        return Head(first, at + 2, at + 2)
    length = second & 0x7F
    if length < 126:
        return Head(first, at + 6, at + 6 + length)
    width = 2 if length == 126 else 8
    if len(data) < at + 2 + width:
        return None
    start = at + 6 + width
    return Head(first, start, start + int.from_bytes(data[at + 2 : at + 2 + width], "big"))


def unmask(data: bytes | bytearray, start: int, end: int, done: int = 0) -> bytes:
    """Return the payload ``data[start:end]`` of a masked frame, whose masking key stands just before it.

    The first ``done`` bytes are left out.
    """
    key = data[start - 4 : start]
    if done:
        turn = done % 4
        key = key[turn:] + key[:turn]
    return apply_mask(data[start + done : end], key)


def text(payload: bytes) -> bytes:
    """Return the text frame of ``payload``, which is UTF-8."""
    length = len(payload)
    if length < 126:
        return bytes((FIN_TEXT, length)) + payload
    if length < 65_536:
        return _head_16(FIN_TEXT, 126, length) + payload
    return _head_64(FIN_TEXT, 127, length) + payload


def binary(payload: bytes) -> bytes:
    """Return the binary frame of ``payload``."""
    return Frame(Opcode.BINARY, payload).serialize(mask=False)


def pong(payload: bytes) -> bytes:
    """Return the pong that answers a ping with ``payload``, which has at most :data:`MAX_CONTROL_BYTES`."""
    return bytes((FIN_PONG, len(payload))) + payload


def first_fragment(size: int) -> bytes:
    """Return what a client would send as the first fragment, of ``size`` bytes, of a binary message."""
    return _head_64(BINARY, 0xFF, size) + bytes(4 + size)


def close(code: int, reason: str) -> bytes:
    """Return a close frame; ``reason`` is cut to the 123 bytes a control frame has room for."""
    return Frame(Opcode.CLOSE, Close(code, reason.encode()[:123].decode(errors="ignore")).serialize()).serialize(
        mask=False
    )
