"""What is sent to one client: at the end of the loop's turn what its socket takes, the rest from a bounded buffer.

Sending never waits. What does not fit is kept, and a greenlet empties it; while there is something kept, everything
queues behind it. So a slow or dead reader costs its own call, nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import gevent
import gevent.socket
from greenlet import getcurrent

from . import tick
from .socket_io import WOULD_BLOCK, WRITABLE, released, writer
from .tick import LoopTick

# What OpenSSL could not write it wants to be given again, as much or more of it. So a write is the front of what is
# left, up to a length that is always the same.
_WRITE_BYTES = 65_536

_MAX_QUEUED = 64
"""Messages that wait for the end of a turn; whoever sends more without ever waiting is not to fill the memory."""


class SendBuffer:
    """The bytes on their way to one client."""

    __slots__ = ("_hub", "_kept", "_most", "_on_error", "_queue", "_sock", "_tick", "_write", "_writer")

    def __init__(self, sock: gevent.socket.socket, most: int, on_error: Callable[[str], None]) -> None:
        """Keep up to ``most`` bytes; ``on_error`` is called, with the reason, when no more can be sent."""
        self._sock = sock
        self._hub = gevent.get_hub()
        self._tick = LoopTick.of(self._hub)
        self._most = most
        self._on_error = on_error
        # What this turn of the loop is to send, and what the socket did not take.
        self._queue: list[bytes] = []
        self._kept = bytearray()
        self._writer: gevent.Greenlet[[], None] | None = None
        self._write: Any = writer(sock)

    def __len__(self) -> int:
        """The number of bytes that are not sent yet."""
        return len(self._kept) + sum(map(len, self._queue))

    def write(self, data: bytes) -> None:
        """Send ``data`` at the end of this turn of the loop. Neither waits nor raises."""
        queue = self._queue
        if not queue:
            self._tick.queue_flush(self)
        queue.append(data)
        if len(queue) >= _MAX_QUEUED:
            self.flush()

    def flush(self) -> None:
        """Send now what there is to send. Neither waits nor raises.

        Whatever fails here may have left half a frame in the stream: nothing more is sent after that.
        """
        queue = self._queue
        if not queue:
            return
        try:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            queue.clear()
            sent = 0
            if not self._kept:
                write = self._write
                try:
                    sent = write(data if len(data) <= _WRITE_BYTES else data[:_WRITE_BYTES])
                    while sent < len(data):
                        sent += write(data[sent : sent + _WRITE_BYTES])
                    return
                except WOULD_BLOCK:
                    pass
            self._kept += memoryview(data)[sent:]
            if len(self._kept) > self._most:
                self._on_error(f"it reads too slowly: {len(self._kept)} bytes were waiting for it")
            elif self._writer is None:
                self._writer = gevent.spawn(self._empty)
        except OSError as error:
            self._on_error(str(error))
        except Exception as error:
            tick.abort(self, error)

    def _empty(self) -> None:
        try:
            with closing(self._hub.loop.io(self._sock.fileno(), WRITABLE)) as watcher:
                while self._kept:
                    self._hub.wait(watcher)
                    try:
                        sent = self._write(self._kept[:_WRITE_BYTES])
                    except WOULD_BLOCK:
                        continue
                    del self._kept[:sent]
        except OSError as error:
            self._on_error(str(error))
        except Exception as error:
            tick.abort(self, error)
        finally:
            self._writer = None

    def abort(self, why: str) -> None:
        """Break off, since this server failed to send."""
        self.discard()
        self._on_error(why)

    def discard(self) -> None:
        """Forget what is not sent yet, and send no more."""
        self._queue.clear()
        self._kept.clear()
        self._write = released

    def drain(self) -> None:
        """Wait until all of it is sent."""
        self.flush()
        if self._writer is not None:
            self._writer.join()

    def close(self) -> None:
        """Send no more, and let go of the socket. Waits for the greenlet that writes, but not in the event loop."""
        self._queue.clear()
        current = getcurrent()
        # That greenlet may be the one that found out that no more can be sent.
        if self._writer is not None and self._writer is not current:
            self._writer.kill(block=current is not self._hub)
        self._write, self._on_error = released, _ignore


def _ignore(_: str) -> None:
    pass
