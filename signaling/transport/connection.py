"""One WebSocket on a gevent socket, behind flask-sock's interface: ``receive``, ``send``, ``close``.

Reading waits in the greenlet of the request. What needs no waiting can be dealt with in the event loop before it comes
to that: to switch to a greenlet and back costs more than to pass on a message. See :mod:`.tick` for when.

Writing never waits: see :mod:`.sender`.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import gevent.socket
from greenlet import getcurrent, greenlet
from simple_websocket import ConnectionClosed

from ..protocol.codes import CloseCode
from . import frames, tick
from .receiver import FrameReceiver
from .send_buffer import SendBuffer
from .socket_io import READABLE, WOULD_BLOCK, reader, released, reset
from .tick import LoopTick

# At least a TLS record: then nothing is ever left decrypted inside OpenSSL, where waiting on the socket misses it.
_READ_BYTES = 65_536


class Connection:
    """A WebSocket whose opening handshake is done.

    Attributes:
        alive: set True by every arrival of bytes; the heartbeat sets it False.
        on_message: called with each message as it arrives, in the event loop, while :meth:`receive` waits. It must not
            wait. It returns True when it has dealt with the message, else that and all after it are left to
            :meth:`receive`, which also raises whatever it raises.
        on_slow_frames: called with the number of frames that are no whole messages: pings, fragments, a close, and all
            pongs except the one that answers our ping. It must not wait.
        close_code: None while open, then the close code of its end (1005 and 1006 as in RFC 6455, section 7.4.1).
        close_reason: the words that go with it.
        opened: :func:`time.monotonic` of its start, in seconds.
        latency: seconds from the last ping to its pong, None while there is none; whoever takes it sets it None.
    """

    __slots__ = (
        "__weakref__",
        "_arrived",
        "_close_timeout",
        "_gone",
        "_hub",
        "_pinged",
        "_read",
        "_reader",
        "_receiver",
        "_send_buffer",
        "_sock",
        "_tick",
        "_transmit",
        "_watcher",
        "alive",
        "close_code",
        "close_reason",
        "latency",
        "on_message",
        "on_slow_frames",
        "opened",
    )

    def __init__(
        self,
        sock: gevent.socket.socket,
        *,
        max_message_bytes: int = 65_536,
        send_buffer_bytes: int = 1_048_576,
        close_timeout: float = 1.0,
        received: bytes = b"",
    ) -> None:
        """Make one of a socket whose handshake is done; ``received`` is what came right behind the handshake."""
        self.opened = time.monotonic()
        self.alive = True
        self.on_message: Callable[[str | bytes], bool] = _never
        self.on_slow_frames: Callable[[int], None] = _ignore
        self.close_code: int | None = None
        self.close_reason = ""
        self.latency: float | None = None
        self._pinged = 0.0
        self._sock = sock
        self._hub = gevent.get_hub()
        self._tick = LoopTick.of(self._hub)
        # Whether something was read that is not dealt with, and whether nothing more can be read.
        self._arrived = self._gone = False
        # The greenlet that waits to read, while it does.
        self._reader: greenlet | None = None
        self._watcher: Any = self._hub.loop.io(sock.fileno(), READABLE)
        self._receiver = FrameReceiver(max_message_bytes)
        if received:
            self._receiver.put_off(received)
        self._send_buffer = SendBuffer(sock, send_buffer_bytes, self.abort)
        self._transmit = self._send_buffer.write
        self._close_timeout = close_timeout
        self._read: Any = reader(sock)

    # Reading: in one greenlet, the one that made the connection.

    def receive(self) -> str | bytes:
        """Wait for the next message: ``str`` of a text message, ``bytes`` of a binary one.

        Raises:
            simple_websocket.ConnectionClosed: with the close code as ``reason`` and its words as ``message``.
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
        """Wait until there is something for the reader: a message, an end, or, after the end, whatever came.

        The watcher goes on from one wait to the next: to start and stop it each time, as ``hub.wait`` does, costs
        half a microsecond a message.
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

    def _readable(self) -> None:
        if self._reader is None:
            # While nobody waits, what there is to read would call this again and again.
            self._watcher.stop()
            return
        if self._arrived:
            return
        # In two steps, as it is not a method: to look for one first takes longer.
        read = self._read
        try:
            data = read(_READ_BYTES)
            if data:
                self._arrived = True
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
        """Deal with what was read and what was put off, in the event loop; what is left is the reader's."""
        self._arrived = False
        reader = self._reader
        if self.close_code is not None:
            self._receiver.skim(data)
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
        """Read no more until what is here was dealt with, in the turns to come."""
        if not self._arrived:
            self._arrived = True
            self._tick.postpone(self)

    def _process(self, data: bytes) -> bool:
        """Deal with what needs no waiting; False when something is left to the reader."""
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
            # A client may send pongs that nobody asked for (RFC 6455, section 5.5.3).
            if self._pinged:
                self.latency = time.monotonic() - self._pinged
                self._pinged = 0.0
                slow_frames -= 1
        if slow_frames:
            self.on_slow_frames(slow_frames)
            if self.close_code is not None:
                receiver.messages.clear()

    def _reply(self) -> None:
        # Nothing goes behind our own close, be it a pong or the answer to a close.
        replies, self._receiver.replies = self._receiver.replies, []
        if self.close_code is None:
            self._transmit(b"".join(replies))

    def _connection_lost(self, reason: str) -> None:
        self._gone = True
        self._watcher.stop()
        if self.close_code is None:
            self._stop(CloseCode.ABNORMAL, reason)
        else:
            self._resume()

    def _resume(self) -> None:
        if self._reader is not None:
            self._reader.switch()

    # Writing: from any greenlet; never waits, never raises.

    def send(self, data: str | bytes) -> None:
        """Send a text message, or a binary one of ``bytes``; nothing happens when the connection is closed."""
        if self.close_code is None:
            self._transmit(frames.text(data.encode()) if isinstance(data, str) else frames.binary(data))

    def send_text(self, payload: bytes, *more: bytes) -> None:
        """Send text messages of UTF-8 payloads in one go; nothing happens when the connection is closed."""
        if self.close_code is None:
            transmit = self._transmit
            transmit(frames.text(payload))
            for payload in more:
                transmit(frames.text(payload))

    def ping(self) -> None:
        """Send a ping; whatever arrives next sets :attr:`alive`."""
        if self.close_code is None:
            self._pinged = time.monotonic()
            self._transmit(frames.PING)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame and end :meth:`receive` at once; :meth:`wait_closed` sees to the rest."""
        if self.close_code is None:
            self._transmit(frames.close(code, reason))
            self._stop(code, reason)

    @property
    def waiting_bytes(self) -> int:
        """How much is kept for a client that reads slowly."""
        return len(self._send_buffer)

    # Ending.

    def _stop(self, code: int, reason: str) -> None:
        if self.close_code is not None:
            return
        self.close_code, self.close_reason = code, reason
        if self._reader is not None:
            self._hub.loop.run_callback(self._resume)

    def abort(self, why: str) -> None:
        """Break off: reset the TCP connection, without a close frame. Neither waits nor raises.

        For a client that cannot be sent to any more, or whose stream may be broken.
        """
        self._send_buffer.discard()
        reset(self._sock)
        self._stop(CloseCode.ABNORMAL, why)

    def wait_closed(self) -> None:
        """Let the closing handshake finish, within the close timeout, and let go of the socket.

        The last call on a connection, from the greenlet that reads; whoever made the socket closes it afterwards.
        """
        try:
            if self.close_code is None:
                self.close(CloseCode.INTERNAL_ERROR)
            if self.close_code != CloseCode.ABNORMAL:
                finished = False
                with gevent.Timeout(self._close_timeout, False):  # type: ignore[arg-type]
                    self._finish()
                    finished = True
                if not finished:
                    reset(self._sock)
        except Exception as error:
            tick.abort(self, error)
        finally:
            self._send_buffer.close()
            self._watcher.close()
            self._read = released
            # They lead back to here: without them it goes as soon as nobody holds it.
            self.on_message, self.on_slow_frames = _never, _ignore

    def _finish(self) -> None:
        self._send_buffer.drain()
        receiver = self._receiver
        if receiver.answered:
            return
        if receiver.close_code is not None:
            # We failed the connection (RFC 6455, section 7.1.7): the client learns of the end even if it does not
            # answer, and what it already sent must be read, or the kernel resets the connection under our frame.
            with suppress(OSError):
                gevent.socket.socket.shutdown(self._sock, socket.SHUT_WR)
        while not receiver.answered and not self._gone:
            self._wait()


def _never(_: str | bytes) -> bool:
    return False


def _ignore(_: int) -> None:
    pass
