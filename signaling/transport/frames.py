"""WebSocket frames (RFC 6455, section 5.2): parse the head of a frame, and build every frame that is sent. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.speedups import apply_mask

# The first byte of each valid frame.
CONTINUATION, TEXT, BINARY = 0x00, 0x01, 0x02
FIN_CONTINUATION, FIN_TEXT, FIN_BINARY, FIN_CLOSE, FIN_PING, FIN_PONG = 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A

MAX_CONTROL_BYTES = 125
"""The limit for the payload of a ping, a pong or a close (RFC 6455, section 5.5)."""

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
    """Return the head of the frame that begins at ``data[at]``, or None while its length is incomplete.

    If the frame is unmasked or has an unknown opcode, its payload starts and ends right behind the first two bytes. No
    valid frame has such a head.
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


def unmask(data: bytes | bytearray, start: int, end: int, skip: int = 0) -> bytes:
    """Return the unmasked payload ``data[start:end]`` without its first ``skip`` bytes.

    The masking key is the four bytes before ``start``.
    """
    key = data[start - 4 : start]
    if skip:
        shift = skip % 4
        key = key[shift:] + key[:shift]
    return apply_mask(data[start + skip : end], key)


def text(payload: bytes) -> bytes:
    """Return the text frame of ``payload``, which must be UTF-8."""
    length = len(payload)
    if length < 126:
        return bytes((FIN_TEXT, length)) + payload
    if length < 65_536:
        return _head_16(FIN_TEXT, 126, length) + payload
    return _head_64(FIN_TEXT, 127, length) + payload


def pong(payload: bytes) -> bytes:
    """Return the pong that answers a ping with ``payload``, of at most :data:`MAX_CONTROL_BYTES` bytes."""
    return bytes((FIN_PONG, len(payload))) + payload


def first_fragment(size: int) -> bytes:
    """Return the masked first fragment of a binary message, with a payload of ``size`` zero bytes."""
    return _head_64(BINARY, 0xFF, size) + bytes(4 + size)


def close(code: int, reason: str) -> bytes:
    """Return a close frame. ``reason`` is cut to 123 bytes, the limit of a control frame minus the code."""
    return Frame(Opcode.CLOSE, Close(code, reason.encode()[:123].decode(errors="ignore")).serialize()).serialize(
        mask=False
    )
