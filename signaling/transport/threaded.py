"""One WebSocket in a thread, for Flask's development server. It has the interface of :mod:`.connection`.

The thread of the request reads and writes the socket, and no other thread does: two threads must not share a TLS
connection. Other threads leave their frames in a bounded buffer and wake it, so a send never waits.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ..process.threads import TurnLock
from ..protocol.codes import CloseCode
from . import frames
from .socket_io import WOULD_BLOCK
from .websocket import WebSocket

# At least a TLS record, as in .connection.
_READ_BYTES = 65_536
_WRITE_BYTES = 65_536


class Output:
    """The frames that are not sent to one client yet. Any thread may add to them."""

    __slots__ = ("_data", "_guard", "_max_bytes", "_on_overflow", "_wake")

    def __init__(self, max_bytes: int, wake: Callable[[], None], on_overflow: Callable[[str], None]) -> None:
        """Keep up to ``max_bytes``; beyond that, ``on_overflow`` is called with the reason."""
        self._data = bytearray()
        self._guard = threading.Lock()
        self._max_bytes = max_bytes
        self._wake = wake
        self._on_overflow = on_overflow

    def __len__(self) -> int:
        """The number of unsent bytes."""
        return len(self._data)

    def write(self, data: bytes) -> None:
        """Leave ``data`` to the thread of the connection. Neither waits nor raises."""
        with self._guard:
            self._data += data
            size = len(self._data)
        if size > self._max_bytes:
            self._on_overflow(f"it reads too slowly: {size} bytes were waiting for it")
        self._wake()

    def flush(self, send: Callable[[bytes], int]) -> None:
        """Send what the socket takes.

        Raises:
            OSError: no more can be sent.
        """
        with suppress(*WOULD_BLOCK):
            while self._data:
                with self._guard:
                    data = bytes(self._data[:_WRITE_BYTES])
                sent = send(data)
                with self._guard:
                    del self._data[:sent]


class ThreadedConnection(WebSocket):
    """A WebSocket whose opening handshake is done.

    Attributes:
        alive, latency, opened, sock: see :class:`~signaling.transport.websocket.WebSocket`.
        close_code, close_reason, closed_by_client: see :class:`~signaling.transport.writer.MessageWriter`.
        on_slow_frames: the same as of a WebSocket; it is called while this thread holds the lock.
        on_work: the same; it is called once, in this thread, and serves the client until the end.
    """

    def __init__(
        self,
        sock: socket.socket,
        lock: TurnLock,
        *,
        max_message_bytes: int = 65_536,
        send_buffer_bytes: int = 1_048_576,
        close_timeout: float = 1.0,
        received: bytes = b"",
    ) -> None:
        """Take over a non-blocking socket whose handshake is done.

        Args:
            sock: the socket.
            lock: the lock of the node.
            max_message_bytes: bytes of the longest message.
            send_buffer_bytes: bytes that are kept for a client that reads slowly.
            close_timeout: seconds of the closing handshake.
            received: what the client sent right behind its handshake.
        """
        self._output = Output(send_buffer_bytes, self._wake, self.abort)
        super().__init__(sock, self._output, max_message_bytes, close_timeout, received)
        self._lock = lock
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ)

    # Reading and writing: only the thread that made the connection.

    def start(self) -> None:
        """Serve the client in this thread until the connection has ended. Waits."""
        self.on_work()

    def join(self) -> None:
        """Do nothing, since :meth:`start` has waited for the end."""

    def next_message(self) -> str | bytes | None:
        """Wait for the next message: ``str`` for a text message, ``bytes`` for a binary one.

        Return None if the connection has ended: then it has a close code.
        """
        receiver = self._receiver
        while True:
            if self.close_code is not None:
                return None
            if receiver.messages:
                return receiver.messages.pop(0)
            if receiver.close_code is not None:
                with self._lock:
                    self._reply()
            elif receiver.pending:
                self._process(b"")
            else:
                self._wait()

    def _wait(self, seconds: float | None = None) -> None:
        """Send what there is to send, and wait until the client sends or until another thread wakes this one."""
        try:
            self._output.flush(self.sock.send)
            writes = selectors.EVENT_WRITE if len(self._output) else 0
            self._selector.modify(self.sock, selectors.EVENT_READ | writes)
            for key, mask in self._selector.select(seconds):
                if key.fileobj is self._woken:
                    self._woken.recv(_READ_BYTES)
                elif mask & selectors.EVENT_READ:
                    self._read()
        except OSError as error:
            self._connection_lost(str(error))

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ_BYTES)
        except WOULD_BLOCK:
            return
        except ssl.SSLEOFError:
            data = b""
        if not data:
            self._connection_lost("the TCP connection ended")
        elif self.close_code is None:
            self._process(data)
        else:
            self._receiver.feed_after_close(data)

    def _process(self, data: bytes) -> None:
        self.alive = True
        receiver = self._receiver
        receiver.feed(data)
        if receiver.slow_frames:
            with self._lock:
                self._handle_slow_frames()
        if receiver.replies:
            # Other threads send while they hold the lock.
            with self._lock:
                self._reply()

    def _connection_lost(self, reason: str) -> None:
        self._eof = True
        self._stop(CloseCode.ABNORMAL, reason, by_client=True)

    # Ending: any thread.

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame and end :meth:`next_message`; :meth:`wait_closed` waits for the client's answer."""
        if self.close_code is None:
            self._output.write(frames.close(code, reason))
            self._stop(code, reason)

    def _stop(self, code: int, reason: str, *, by_client: bool = False) -> None:
        if self.close_code is None:
            # The code last, since it says that the connection has ended.
            self.close_reason, self.closed_by_client = reason, by_client
            self.close_code = code
            self._wake()

    def abort(self, reason: str) -> None:
        """End the connection without a close frame. Neither waits nor raises."""
        self._stop(CloseCode.ABNORMAL, reason)

    def _wake(self) -> None:
        # A full pipe wakes as well. It is closed once the connection has ended.
        with suppress(OSError):
            self._waker.send(b"\0")

    def wait_closed(self) -> None:
        """Finish the closing handshake within the close timeout. The thread that reads calls this last.

        The owner of the socket closes it afterwards.
        """
        try:
            if self.close_code is None:
                self.close(CloseCode.INTERNAL_ERROR)
            if self.close_code != CloseCode.ABNORMAL:
                self._finish(time.monotonic() + self._close_timeout)
        finally:
            self._selector.close()
            self._woken.close()
            self._waker.close()

    def _finish(self, deadline: float) -> None:
        receiver = self._receiver
        while not self._eof and (len(self._output) or not receiver.answered):
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                return
            if receiver.pending:
                receiver.feed_after_close(b"")
                continue
            if not len(self._output) and receiver.close_code is not None:
                # We failed the connection: the client must see its end even if it never answers, as in
                # .closing_handshake.
                with suppress(OSError):
                    socket.socket.shutdown(self.sock, socket.SHUT_WR)
            self._wait(seconds)
