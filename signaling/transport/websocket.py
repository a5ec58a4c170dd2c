"""The base of both connections, on gevent and in a thread: it handles pings, pongs and the other control frames."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from .receiver import FrameReceiver
from .socket_io import is_connected
from .writer import Buffer, MessageWriter


class WebSocket(MessageWriter):
    """A WebSocket whose opening handshake is done. A subclass reads from the socket and ends the connection.

    Attributes:
        alive: set True when bytes arrive; the heartbeat sets it False.
        latency: seconds from the last ping to its pong, None if there is none. The reader of this sets it to None.
        on_slow_frames: called with the number of frames that are not whole messages: pings, fragments, closes, and all
            pongs except the one that answers our ping. It must not wait.
        on_work: called when there is work.
        opened: :func:`time.monotonic` at the start, in seconds.
        sock: the socket, which never waits.
    """

    __slots__ = (
        "_close_timeout",
        "_eof",
        "_receiver",
        "alive",
        "latency",
        "on_slow_frames",
        "on_work",
        "opened",
        "sock",
    )

    def __init__(
        self, sock: socket.socket, send_buffer: Buffer, max_message_bytes: int, close_timeout: float, received: bytes
    ) -> None:
        super().__init__(send_buffer)
        self.sock = sock
        self.opened = time.monotonic()
        self.alive = True
        self.latency: float | None = None
        self.on_slow_frames: Callable[[int], object] = ignore
        self.on_work: Callable[[], object] = ignore
        self._close_timeout = close_timeout
        # Whether the TCP connection has ended.
        self._eof = False
        self._receiver = FrameReceiver(max_message_bytes)
        if received:
            self._receiver.postpone(received)

    @property
    def is_open(self) -> bool:
        """Return whether neither side has ended the connection, also while nobody reads."""
        return self.close_code is None and is_connected(self.sock)

    def _handle_slow_frames(self) -> None:
        receiver = self._receiver
        slow_frames, receiver.slow_frames = receiver.slow_frames, 0
        if receiver.pong:
            receiver.pong = False
            # A client may send unsolicited pongs (RFC 6455, section 5.5.3).
            if self._pinged:
                self.latency = time.monotonic() - self._pinged
                self._pinged = 0.0
                slow_frames -= 1
        if slow_frames:
            self.on_slow_frames(slow_frames)
            if self.close_code is not None:
                receiver.messages.clear()

    def _reply(self) -> None:
        receiver = self._receiver
        if receiver.messages and receiver.close_code is not None:
            # Nothing may follow a close frame (RFC 6455, section 5.5.1). The answers to these messages come first.
            return
        # After our close frame we send nothing, neither a pong nor the answer to a close.
        replies, receiver.replies = receiver.replies, []
        if replies and self.close_code is None:
            self._transmit(b"".join(replies))
        if receiver.close_code is not None:
            # At once, since another client's message would follow the close frame otherwise.
            self._stop(receiver.close_code, receiver.close_reason, by_client=receiver.answered)

    def _stop(self, code: int, reason: str, *, by_client: bool = False) -> None:
        """Set the close code, unless there is one, and let the reader finish the connection. Does not wait."""
        raise NotImplementedError


def ignore(*_: object) -> bool:
    """Do nothing and return False, in place of a function that is not set."""
    return False
