"""The sending half of a WebSocket: messages and pings. Nothing here waits or raises, so any greenlet may send."""

from __future__ import annotations

import time
from typing import Protocol

from . import frames


class Buffer(Protocol):
    """The output of one client."""

    def __len__(self) -> int:
        """The number of unsent bytes."""

    def write(self, data: bytes) -> None:
        """Send ``data`` later. Neither waits nor raises."""


class MessageWriter:
    """Sends frames through a send buffer until the connection has a close code.

    Attributes:
        close_code: None while open; afterwards the close code (1005 and 1006 as in RFC 6455, section 7.4.1).
        close_reason: the reason that goes with the close code.
        closed_by_client: whether the client has ended the connection, by a close frame or without one.
    """

    __slots__ = ("_pinged", "_send_buffer", "_transmit", "close_code", "close_reason", "closed_by_client")

    def __init__(self, send_buffer: Buffer) -> None:
        self.close_code: int | None = None
        self.close_reason = ""
        self.closed_by_client = False
        self._send_buffer = send_buffer
        self._transmit = send_buffer.write
        # When the ping was sent that has no pong yet, in seconds of the monotonic clock; 0 if there is none.
        self._pinged = 0.0

    def send_text(self, payload: bytes, *more: bytes) -> None:
        """Send a text message for each payload, which is UTF-8, in one write. Do nothing once closed."""
        if self.close_code is None:
            transmit = self._transmit
            transmit(frames.text(payload))
            for payload in more:
                transmit(frames.text(payload))

    def ping(self) -> None:
        """Send a ping. Do nothing once closed."""
        if self.close_code is None:
            self._pinged = time.monotonic()
            self._transmit(frames.PING)

    @property
    def waiting_bytes(self) -> int:
        """The number of bytes buffered for a client that reads slowly."""
        return len(self._send_buffer)
