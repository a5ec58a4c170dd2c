"""One WebSocket on a gevent socket, behind flask-sock's interface: ``receive``, ``send``, ``close``.

Reads wait in the greenlet of the request. The event loop handles a message that needs no waiting before it wakes that
greenlet: a switch to a greenlet and back costs more than forwarding a message. :mod:`.tick` says when each step runs.

Writes never wait: see :mod:`.writer` and :mod:`.send_buffer`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
from greenlet import getcurrent, greenlet
from simple_websocket import ConnectionClosed

from ..protocol.codes import CloseCode
from . import closing_handshake, frames, tick
from .loop_share import LoopShare
from .receiver import FrameReceiver
from .send_buffer import SendBuffer
from .socket_io import READABLE, WOULD_BLOCK, is_connected, reader, released, reset
from .tick import LoopTick
from .writer import MessageWriter

# At least a TLS record. Less would leave decrypted bytes inside OpenSSL, where waiting on the socket misses them.
_READ_BYTES = 65_536


class Connection(MessageWriter):
    """A WebSocket whose opening handshake is done.

    Attributes:
        alive: set True when bytes arrive; the heartbeat sets it False.
        on_message: called in the event loop with each message as it arrives, while :meth:`receive` waits. It must not
            wait. If it returns False, :meth:`receive` returns that message and all messages after it. If it raises,
            :meth:`receive` raises the same.
        on_slow_frames: called with the number of frames that are not whole messages: pings, fragments, closes, and all
            pongs except the one that answers our ping. It must not wait.
        close_code, close_reason: see :class:`~signaling.transport.writer.MessageWriter`.
        opened: :func:`time.monotonic` at the start, in seconds.
        latency: seconds from the last ping to its pong, None if there is none. The reader of this sets it to None.
    """

    __slots__ = (
        "__weakref__",
        "_close_timeout",
        "_data_queued",
        "_eof",
        "_hub",
        "_read",
        "_reader",
        "_receiver",
        "_sock",
        "_tick",
        "_watcher",
        "alive",
        "latency",
        "on_message",
        "on_slow_frames",
        "opened",
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
    ) -> None:
        """Take over a socket whose handshake is done; ``received`` is what the client sent right behind it."""
        super().__init__(SendBuffer(sock, send_buffer_bytes, self.abort))
        self.opened = time.monotonic()
        self.alive = True
        self.on_message: Callable[[str | bytes], bool] = _leave_to_receive
        self.on_slow_frames: Callable[[int], None] = _ignore_frames
        self.latency: float | None = None
        self._sock = sock
        self._hub = gevent.get_hub()
        self._tick = LoopTick.of(self._hub)
        # Whether the tick has data for us that is not processed yet, and whether the TCP connection has ended.
        self._data_queued = self._eof = False
        # The greenlet that waits for data, None while there is none.
        self._reader: greenlet | None = None
        self._watcher: Any = self._hub.loop.io(sock.fileno(), READABLE)
        self._receiver = FrameReceiver(max_message_bytes)
        if received:
            self._receiver.postpone(received)
        self._close_timeout = close_timeout
        self._read: Any = reader(sock)

    # Reading: only the greenlet that made the connection calls receive().

    def receive(self) -> str | bytes:
        """Wait for the next message: ``str`` for a text message, ``bytes`` for a binary one.

        Raises:
            simple_websocket.ConnectionClosed: the connection has ended; it has the close code as ``reason`` and the
                close reason as ``message``.
        """
        receiver = self._receiver
        while True:
            if self.close_code is not None:
                raise ConnectionClosed(self.close_code, self.close_reason)
            if receiver.messages:
                return receiver.messages.pop()
            if receiver.close_code is not None:
                self._stop(receiver.close_code, receiver.close_reason)
            else:
                self._wait()

    def _wait(self) -> None:
        """Wait until the reader has work: a message, the end, or, after our close frame, any data.

        The watcher stays active between waits. To start and stop it each time, as ``hub.wait`` does, costs half a
        microsecond a message.
        """
        self._reader = getcurrent()
        try:
            if self._receiver.pending:
                self._postpone()
            if not self._watcher.active:
                self._watcher.start(self._readable)
            self._hub.switch()
        finally:
            self._reader = None
        # A crowd of clients that join or go must not delay the messages of calls.
        LoopShare.of(self._hub).acquire(served=True)

    def _readable(self) -> None:
        if self._reader is None:
            # Nobody waits for data: the watcher would call this again in every tick.
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
        """Process ``data`` and what was postponed, in the event loop; wake the reader if it has work."""
        self._data_queued = False
        reader = self._reader
        if self.close_code is not None:
            self._receiver.feed_after_close(data)
            self._resume()
        elif reader is not None:
            try:
                if self._process(data):
                    if self._receiver.pending:
                        self._postpone()
                    return
            except Exception as error:
                reader.throw(error)
            else:
                reader.switch()

    def _postpone(self) -> None:
        """Stop reading until the next ticks have processed what is here."""
        if not self._data_queued:
            self._data_queued = True
            self._tick.postpone(self)

    def _process(self, data: bytes) -> bool:
        """Handle all that needs no waiting; return False if the reader has work."""
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
        # After our close frame we send nothing, neither a pong nor the answer to a close.
        replies, self._receiver.replies = self._receiver.replies, []
        if self.close_code is None:
            self._transmit(b"".join(replies))

    def _connection_lost(self, reason: str) -> None:
        self._eof = True
        self._watcher.stop()
        if self.close_code is None:
            self._stop(CloseCode.ABNORMAL, reason)
        else:
            self._resume()

    def _resume(self) -> None:
        if self._reader is not None:
            self._reader.switch()

    # Ending: from any greenlet.

    @property
    def is_open(self) -> bool:
        """Return whether neither side has ended the connection, also while nobody reads."""
        return self.close_code is None and is_connected(self._sock)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame and end :meth:`receive` at once; :meth:`wait_closed` waits for the client's answer."""
        if self.close_code is None:
            self._transmit(frames.close(code, reason))
            self._stop(code, reason)

    def _stop(self, code: int, reason: str) -> None:
        if self.close_code is not None:
            return
        self.close_code, self.close_reason = code, reason
        if self._reader is not None:
            self._hub.loop.run_callback(self._resume)

    def abort(self, reason: str) -> None:
        """Reset the TCP connection without a close frame. Neither waits nor raises.

        For a client that takes no more data, or whose stream may contain half a frame.
        """
        self._send_buffer.discard()
        reset(self._sock)
        self._stop(CloseCode.ABNORMAL, reason)

    def wait_closed(self) -> None:
        """Finish the closing handshake within the close timeout, and release the socket.

        The greenlet that reads calls this last. The owner of the socket closes it afterwards.
        """
        try:
            if self.close_code is None:
                self.close(CloseCode.INTERNAL_ERROR)
            if self.close_code != CloseCode.ABNORMAL:
                closing_handshake.finish(
                    self._sock, self._send_buffer, self._receiver, self._wait_after_close, self._close_timeout
                )
        except Exception as error:
            tick.abort(self, error)
        finally:
            self._send_buffer.close()
            self._watcher.close()
            self._read = released
            # These refer back to the connection. Without the cycle it is freed at once.
            self.on_message, self.on_slow_frames = _leave_to_receive, _ignore_frames

    def _wait_after_close(self) -> bool:
        if not self._eof:
            self._wait()
        return not self._eof


def _leave_to_receive(_: str | bytes) -> bool:
    return False


def _ignore_frames(_: int) -> None:
    pass
