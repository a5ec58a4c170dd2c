"""The output of one client. Each tick writes what the socket takes; a bounded buffer keeps the rest.

Sending never waits. A greenlet empties the buffer. While it is not empty, all output queues behind it, so the order
holds. A slow or dead client thus costs its own call and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import gevent
import gevent.socket
from greenlet import getcurrent

from . import tick
from .socket_io import WOULD_BLOCK, WRITABLE, bare, released, writer
from .tick import LoopTick

# OpenSSL must retry a failed write with the same bytes, or more. So each write is the front of the rest, up to one
# fixed length.
_WRITE_BYTES = 65_536

_MAX_QUEUED = 64
"""Frames that wait for the end of a tick. Code that sends more without a wait must not fill the memory."""


class SendBuffer:
    """The bytes that are not sent to one client yet."""

    __slots__ = ("_kept", "_max_bytes", "_on_error", "_queue", "_sock", "_tick", "_write", "_writer")

    def __init__(self, sock: gevent.socket.socket, max_bytes: int, on_error: Callable[[str], None]) -> None:
        """Keep up to ``max_bytes``; ``on_error`` is called with the reason when no more can be sent."""
        self._sock = bare(sock)
        self._tick = LoopTick.of(gevent.get_hub())
        self._max_bytes = max_bytes
        self._on_error = on_error
        # Output of this tick, and bytes that the socket did not take. Most connections have neither.
        self._queue: list[bytes] | None = None
        self._kept: bytearray | None = None
        self._writer: gevent.Greenlet[[], None] | None = None
        self._write: Any = writer(sock)

    def __len__(self) -> int:
        """The number of unsent bytes."""
        return len(self._kept or b"") + sum(map(len, self._queue or ()))

    def write(self, data: bytes) -> None:
        """Send ``data`` at the end of this tick. Neither waits nor raises."""
        queue = self._queue
        if queue is None:
            self._tick.queue_flush(self)
            self._queue = [data]
            return
        queue.append(data)
        if len(queue) >= _MAX_QUEUED:
            self.flush()

    def flush(self) -> None:
        """Send the queue now. Neither waits nor raises.

        A failure may leave half a frame in the stream, so nothing is sent after it.
        """
        queue, self._queue = self._queue, None
        if queue is None:
            return
        try:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            sent = 0
            if self._kept is None:
                write = self._write
                try:
                    sent = write(data if len(data) <= _WRITE_BYTES else data[:_WRITE_BYTES])
                    while sent < len(data):
                        sent += write(data[sent : sent + _WRITE_BYTES])
                    return
                except WOULD_BLOCK:
                    self._kept = bytearray()
            self._kept += memoryview(data)[sent:]
            if len(self._kept) > self._max_bytes:
                self._on_error(f"it reads too slowly: {len(self._kept)} bytes were waiting for it")
            elif self._writer is None:
                self._writer = gevent.spawn(self._empty)
        except OSError as error:
            self._on_error(str(error))
        except Exception as error:
            tick.abort(self, error)

    def _empty(self) -> None:
        hub = gevent.get_hub()
        try:
            with closing(hub.loop.io(self._sock.fileno(), WRITABLE)) as watcher:
                while self._kept:
                    hub.wait(watcher)
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
            self._kept = self._writer = None

    def abort(self, reason: str) -> None:
        """End after an error of this server."""
        self.discard()
        self._on_error(reason)

    def discard(self) -> None:
        """Drop all unsent bytes, and send no more."""
        self._queue = self._kept = None
        self._write = released

    def drain(self) -> None:
        """Wait until all bytes are sent."""
        self.flush()
        if self._writer is not None:
            self._writer.join()

    def close(self) -> None:
        """Send no more, and release the socket. Waits for the writing greenlet, except in the event loop."""
        self._queue = None
        current = getcurrent()
        # The writing greenlet itself may have found that no more can be sent.
        if self._writer is not None and self._writer is not current:
            self._writer.kill(block=current is not gevent.get_hub())
        self._write, self._on_error = released, _ignore


def _ignore(_: str) -> None:
    pass
