"""One WebSocket on a gevent socket. While it is idle, it has no greenlet.

The event loop reads, and handles each message that needs no waiting. :mod:`.tick` says when each step runs. Everything
else is work: a message that may have to wait, and the end. A greenlet does it, one at a time for each connection, and
ends when nothing is left to do. Until then nothing more is read.

Writes never wait: see :mod:`.writer` and :mod:`.send_buffer`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.socket
from greenlet import getcurrent, greenlet

from ..protocol.codes import CloseCode
from . import closing_handshake, frames, tick
from .send_buffer import SendBuffer
from .socket_io import READABLE, WOULD_BLOCK, bare, reader, released, reset
from .tick import LoopTick
from .websocket import WebSocket, ignore
from .work_queue import WORK, WorkQueue

# At least a TLS record. Less would leave decrypted bytes inside OpenSSL, where waiting on the socket misses them.
_READ_BYTES = 65_536


class Connection(WebSocket):
    """A WebSocket whose opening handshake is done.

    Attributes:
        on_message: called in the event loop with each message as it arrives. It must not wait. If it returns False,
            that message and all messages after it are work. If it raises, :meth:`next_message` raises the same.
        on_work: called in a greenlet. It may wait. It takes each :meth:`next_message` until there is none. If the
            connection has a close code then, it calls :meth:`wait_closed` last.
        on_closed: called with the connection after :meth:`wait_closed`. It must not wait.
        alive, latency, on_slow_frames, opened, sock: see :class:`~signaling.transport.websocket.WebSocket`.
        close_code, close_reason, closed_by_client: see :class:`~signaling.transport.writer.MessageWriter`.
    """

    __slots__ = (
        "__weakref__",
        "_busy",
        "_closing",
        "_data_queued",
        "_error",
        "_read",
        "_tick",
        "_watcher",
        "_work",
        "_worker",
        "on_closed",
        "on_message",
    )

    _send_buffer: SendBuffer

    def __init__(
        self,
        sock: gevent.socket.socket,
        *,
        max_message_bytes: int = 65_536,
        send_buffer_bytes: int = 1_048_576,
        close_timeout: float = 1.0,
        received: bytes = b"",
        work: WorkQueue = WORK,
    ) -> None:
        """Prepare a socket whose handshake is done.

        Args:
            sock: the socket. Nothing of it is kept but the bare socket and OpenSSL's object inside it.
            max_message_bytes: bytes of the longest message.
            send_buffer_bytes: bytes that are kept for a client that reads slowly.
            close_timeout: seconds of the closing handshake.
            received: what the client sent right behind its handshake.
            work: runs :attr:`on_work`.
        """
        send_buffer = SendBuffer(sock, send_buffer_bytes, self.abort)
        super().__init__(bare(sock), send_buffer, max_message_bytes, close_timeout, received)
        self.on_message: Callable[[str | bytes], bool] = ignore
        self.on_closed: Callable[[Connection], object] = ignore
        hub = gevent.get_hub()
        self._tick = LoopTick.of(hub)
        # Whether the tick has data for us that is not processed yet.
        self._data_queued = False
        self._work = work
        # Whether there is work, the greenlet that does it, and the one that waits in the closing handshake.
        self._busy = False
        self._worker: greenlet | None = None
        self._closing: greenlet | None = None
        # An error in the event loop, which the greenlet at work handles.
        self._error: Exception | None = None
        self._watcher: Any = hub.loop.io(sock.fileno(), READABLE)
        self._read: Any = reader(sock)

    # Reading: in the event loop.

    def start(self) -> None:
        """Read from the client from now on. Does not wait."""
        if self.close_code is None:
            self._resume()

    def _resume(self) -> None:
        """Process what was postponed, and read."""
        # The watcher stays active between reads. Each start and stop, as in gevent's wait, costs half a microsecond.
        if self._receiver.pending:
            self._postpone()
        if not self._watcher.active:
            self._watcher.start(self._readable)

    def _readable(self) -> None:
        if self._busy and self._closing is None:
            # Data is not read now, and the watcher would call this again in every tick.
            self._watcher.stop()
            return
        if self._data_queued:
            return
        # The attribute holds a function, not a method: a call through a local variable is faster.
        read = self._read
        try:
            data = read(_READ_BYTES)
            if data:
                self._data_queued = True
                self._tick.queue_read(self, data)
            else:
                self._connection_lost("the TCP connection ended")
        except WOULD_BLOCK:
            return
        except ssl.SSLEOFError:
            self._connection_lost("the TCP connection ended")
        except OSError as error:
            self._connection_lost(str(error))
        except Exception as error:
            tick.abort(self, error)

    def data_received(self, data: bytes) -> None:
        """Process ``data`` and what was postponed, in the event loop; leave the rest to a greenlet."""
        self._data_queued = False
        if self.close_code is not None:
            self._receiver.feed_after_close(data)
            self._wake_closing()
            return
        try:
            if self._process(data):
                if self._receiver.pending:
                    self._postpone()
                return
        except Exception as error:
            self._error = error
        self._queue_work()

    def _postpone(self) -> None:
        """Stop reading until the next ticks have processed what is here."""
        if not self._data_queued:
            self._data_queued = True
            self._tick.postpone(self)

    def _process(self, data: bytes) -> bool:
        """Handle all that needs no waiting; return False if there is work."""
        self.alive = True
        receiver = self._receiver
        receiver.feed(data)
        messages = receiver.messages
        if receiver.slow_frames:
            self._handle_slow_frames()
        if len(messages) > 1:
            messages.reverse()
        on_message = self.on_message
        while messages and on_message(messages[-1]):
            messages.pop()
        if receiver.replies:
            self._reply()
        return not messages and receiver.close_code is None and self.close_code is None

    def _connection_lost(self, reason: str) -> None:
        self._eof = True
        self._watcher.stop()
        if self.close_code is None:
            self._stop(CloseCode.ABNORMAL, reason, by_client=True)
        else:
            self._wake_closing()

    def _wake_closing(self) -> None:
        if self._closing is not None:
            self._closing.switch()

    # Work: in one greenlet at a time.

    def _queue_work(self) -> None:
        """Let a greenlet do the work, if none is about to. Does not wait."""
        if not self._busy:
            self._work.put(self._do_work, self._watcher.loop)
            self._busy = True

    def _do_work(self) -> None:
        self._worker = getcurrent()
        try:
            self.on_work()
        finally:
            self._worker = None
            self._busy = False
            if self.close_code is None:
                self._resume()

    def next_message(self) -> str | bytes | None:
        """Return the next message: ``str`` for a text message, ``bytes`` for a binary one. Does not wait.

        Return None if there is no more work, or if the connection has ended: then it has a close code.
        """
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        receiver = self._receiver
        if self.close_code is None:
            if receiver.messages:
                return receiver.messages.pop()
            if receiver.close_code is not None:
                self._reply()
        return None

    # Ending: from any greenlet.

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame, and leave the rest of the end to a greenlet. Does not wait."""
        if self.close_code is None:
            self._transmit(frames.close(code, reason))
            self._stop(code, reason)

    def _stop(self, code: int, reason: str, *, by_client: bool = False) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason, self.closed_by_client = code, reason, by_client
            self._queue_work()

    def abort(self, reason: str) -> None:
        """Reset the TCP connection without a close frame. Neither waits nor raises.

        For a client that takes no more data, or whose stream may contain half a frame.
        """
        self._send_buffer.discard()
        reset(self.sock)
        self._stop(CloseCode.ABNORMAL, reason)

    def kill(self) -> None:
        """End the greenlet at work, whatever it waits for. Does not wait."""
        if self._worker is not None:
            gevent.kill(self._worker)

    def wait_closed(self) -> None:
        """Finish the closing handshake within the close timeout, and release everything but the socket.

        The greenlet at work calls this last.
        """
        try:
            if self.close_code is None:
                self.close(CloseCode.INTERNAL_ERROR)
            if self.close_code != CloseCode.ABNORMAL:
                closing_handshake.finish(
                    self.sock, self._send_buffer, self._receiver, self._wait_for_data, self._close_timeout
                )
        except Exception as error:
            tick.abort(self, error)
        finally:
            self._send_buffer.close()
            self._watcher.close()
            self._read = released
            on_closed, self.on_closed = self.on_closed, ignore
            # These refer back to the connection. Without the cycle it is freed at once.
            self.on_message, self.on_slow_frames, self.on_work = ignore, ignore, ignore
            on_closed(self)

    def _wait_for_data(self) -> bool:
        """Wait for data after the close, and return False once the TCP connection has ended."""
        if not self._eof:
            self._closing = getcurrent()
            try:
                self._resume()
                gevent.get_hub().switch()
            finally:
                self._closing = None
        return not self._eof

    @property
    def is_released(self) -> bool:
        """Return whether :meth:`wait_closed` is done."""
        return self._read is released

    def join(self) -> None:
        """Wait until :meth:`wait_closed` is done."""
        if not self.is_released:
            done = gevent.event.Event()
            self.on_closed = lambda _: done.set()
            done.wait()
