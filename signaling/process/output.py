"""Standard output and standard error that never make the process wait.

A pipe that nobody reads, a stopped terminal or a slow journal takes only what it has room for. A bounded buffer keeps
the rest. Lines beyond it are dropped and counted. When there is room again, one line says how many were lost.

This applies to everything that is written to :data:`sys.stderr` or :data:`sys.stdout`: log lines, warnings, and the
tracebacks that gevent prints. The master imports this module while nothing is patched by gevent.

In a worker, the log lines of one tick of the event loop are one write: see :func:`collect`.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gevent.monkey import get_original

from .descriptor import PIPE_BUF, count_of_one_write, open_without_waiting

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MAX_PENDING_BYTES = 262_144
"""Bytes of lines that are kept until there is room."""

MAX_COLLECTED_BYTES = 16_384
"""Bytes of lines that wait for the end of a tick of the event loop."""

FLUSH_SECONDS = 0.5
"""Seconds between two attempts of a worker to write kept lines."""

EXIT_SECONDS = 1.0
"""Seconds that the end of the process may wait for kept lines."""

_EXIT_PAUSE = 0.005

_all: list[Output] = []

# The unpatched ones: gevent's would switch to another greenlet, and would take greenlets for threads.
_sleep: Callable[[float], None] = get_original("time", "sleep")
_new_lock: Callable[[], Any] = get_original("_thread", "RLock")
_thread_id: Callable[[], int] = get_original("_thread", "get_ident")


def _nothing() -> None:
    pass


def _describe_loss(lost: int) -> str:
    return f"{lost} lines were lost: nobody read them"


class Output(io.RawIOBase):
    """Writes lines to a file descriptor of the process without waiting. No method yields or raises.

    Any thread may write, and so may a handler of a signal.
    """

    def __init__(
        self, descriptor: int, describe: Callable[[int], str] = _describe_loss, mark: Callable[[bytes], bytes] = bytes
    ) -> None:
        """Write to ``descriptor``; see :func:`install` for ``describe`` and ``mark``."""
        self._descriptor = descriptor
        self._describe = describe
        self._mark = mark
        # Opened at the first line. Until then gunicorn may replace the descriptor.
        self._write: Callable[[bytes], int] | None = None
        self._release: Callable[[], None] | None = None
        # Nothing waits while it holds the lock, so no greenlet meets the lock of another one.
        self._lock = _new_lock()
        self._partial = b""
        self._pending: list[bytes] = []
        self._pending_bytes = self._lost = 0
        # Called before each write. It writes the lines that come first.
        self.before_write: Callable[[], None] = _nothing
        self._failed = self._draining = self._scheduled = False
        # Calls a function at the end of a tick of the event loop, and the thread of that loop.
        self._at_end_of_tick: Callable[[Callable[[], None]], object] | None = None
        self._thread = 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Write all complete lines, and keep the start of the next one."""
        text = bytes(data)
        self.before_write()
        with self._lock:
            lines, newline, partial = (self._partial + text).rpartition(b"\n")
            if len(partial) > MAX_PENDING_BYTES:
                # A line without an end is lost.
                partial, self._lost = b"", self._lost + 1
            self._partial = partial
            if newline:
                self._keep(self._mark(lines + newline))
                self._drain()
        return len(text)

    def write_in_tick(self, line: str) -> None:
        """Write a line, in one go with the others of this tick of the event loop if :meth:`collect` was called."""
        self.before_write()
        self.keep([line])
        if self._pending_bytes > MAX_COLLECTED_BYTES or not self.schedule():
            self._drain()

    def keep(self, lines: list[str]) -> None:
        """Put lines into the buffer."""
        data = "\n".join([*lines, ""]).encode(errors="backslashreplace")
        with self._lock:
            for part in [data] if len(data) <= PIPE_BUF else data.splitlines(keepends=True):
                self._keep(part)

    def schedule(self) -> bool:
        """Drain at the end of the tick of the event loop. Return False if there is none in this thread."""
        at_end_of_tick = self._at_end_of_tick
        if at_end_of_tick is None or self._thread != _thread_id():
            return False
        if not self._scheduled:
            try:
                at_end_of_tick(self._end_tick)
                self._scheduled = True
            except ValueError:
                # The event loop was destroyed.
                self._at_end_of_tick = None
                return False
        return True

    def lose(self) -> bool:
        """Return whether a line would be lost, since earlier lines were, and count it as lost if so."""
        if not self._lost:
            return False
        with self._lock:
            self._drain()
            if self._lost:
                self._lost += 1
            return bool(self._lost)

    def collect(self, at_end_of_tick: Callable[[Callable[[], None]], object]) -> None:
        """From now on, collect the lines of a tick of this thread's event loop: see :func:`collect`."""
        self._thread = _thread_id()
        self._at_end_of_tick = at_end_of_tick

    def drain(self) -> None:
        """Write the kept lines as far as there is room."""
        self.before_write()
        self._drain()

    flush = drain

    def finish(self, seconds: float) -> None:
        """Write the kept lines, and wait for room for at most ``seconds``. From now on, collect no lines."""
        deadline = time.monotonic() + seconds
        self.before_write()
        self._at_end_of_tick = None
        if self._partial:
            self.write(b"\n")
        self.drain()
        while (self._pending or self._lost) and not self._failed and time.monotonic() < deadline:
            _sleep(_EXIT_PAUSE)
            self.drain()

    def close(self) -> None:
        """Release the resources of this object; the descriptor itself stays open."""
        super().close()
        if self._release is not None:
            self._release()
        self._write = self._release = None

    def forget(self) -> None:
        """Drop the kept lines, and collect no more. In a forked process, the parent writes them."""
        # Another thread of the parent may hold the lock.
        self._lock = _new_lock()
        self._draining = self._scheduled = False
        self._at_end_of_tick = None
        self._partial = b""
        self._pending.clear()
        self._pending_bytes = self._lost = 0

    def _keep(self, lines: bytes) -> None:
        """Put ``lines`` into the buffer, or count them as lost."""
        if self._lost or self._pending_bytes + len(lines) > MAX_PENDING_BYTES:
            self._drain()
            # After one lost line, all are lost until the loss is reported. So the report stands in their place.
            if self._lost or (self._pending and self._pending_bytes + len(lines) > MAX_PENDING_BYTES):
                self._lost += lines.count(b"\n")
                return
        self._pending.append(lines)
        self._pending_bytes += len(lines)

    def _end_tick(self) -> None:
        try:
            self.drain()
        finally:
            self._scheduled = False

    def _drain(self) -> None:
        with self._lock:
            # The handler of a signal may log meanwhile. The loop that it interrupted goes on to its lines.
            if not self._draining:
                self._draining = True
                try:
                    self._write_pending()
                finally:
                    self._draining = False

    def _write_pending(self) -> None:
        pending = self._pending
        while pending:
            count = len(pending) if self._pending_bytes <= PIPE_BUF else count_of_one_write(pending)
            data = b"".join(pending[:count])
            rest = self._send(data)
            pending[:count] = [rest] if rest else []
            self._pending_bytes -= len(data) - len(rest)
            if rest:
                return
        self._pending_bytes = 0
        if self._lost:
            lost, self._lost = self._lost, 0
            line = (self._describe(lost) + "\n").encode(errors="backslashreplace")
            rest = self._send(line)
            if rest == line:
                # Still no room: the loss is not reported yet.
                self._lost += lost
            elif rest:
                self._keep(rest)

    def _send(self, data: bytes) -> bytes:
        """Write as much as there is room for, and return the rest."""
        self._failed = False
        try:
            if self._write is None:
                self._write, self._release = open_without_waiting(self._descriptor)
            return data[self._write(data) :]
        except BlockingIOError:
            return data
        except OSError:
            # The reader is gone, or the disk is full. Both may end.
            self._failed = True
            return data


def install(describe: Callable[[int], str] = _describe_loss, mark: Callable[[bytes], bytes] = bytes) -> None:
    """Replace :data:`sys.stdout` and :data:`sys.stderr` by an :class:`Output`. A second call does nothing.

    Args:
        describe: returns the line about a number of lost lines.
        mark: marks the lines that no logger writes to standard error.
    """
    if _all:
        return
    for name, own_mark in (("stdout", bytes), ("stderr", mark)):
        stream = getattr(sys, name)
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):
            # The stream is closed, or has no descriptor.
            continue
        stream.flush()
        output = Output(descriptor, describe, own_mark)
        setattr(sys, name, io.TextIOWrapper(output, "utf-8", "backslashreplace", write_through=True))
        _all.append(output)
    os.register_at_fork(after_in_child=_forget)
    atexit.register(_finish)


def collect(at_end_of_tick: Callable[[Callable[[], None]], object]) -> None:
    """Write the log lines of a tick of this thread's event loop in one go: ``at_end_of_tick`` calls a function then."""
    for output in _all:
        output.collect(at_end_of_tick)


def drain() -> None:
    """Write the kept lines as far as there is room. Does not wait."""
    for output in _all:
        output.drain()


def _forget() -> None:
    for output in _all:
        output.forget()


def _finish() -> None:
    for output in _all:
        output.finish(EXIT_SECONDS)
