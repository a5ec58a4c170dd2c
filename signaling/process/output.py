"""Standard output and standard error that never make the process wait.

A pipe that nobody reads, a stopped terminal or a slow journal takes only what it has room for. A bounded buffer keeps
the rest. Lines beyond it are dropped and counted. When there is room again, one line says how many were lost.

This applies to everything that is written to :data:`sys.stderr` or :data:`sys.stdout`: log lines, warnings, and the
tracebacks that gevent prints. The master imports this module while nothing is patched by gevent.
"""

from __future__ import annotations

import _socket
import atexit
import io
import os
import select
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from gevent.monkey import get_original

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MAX_PENDING_BYTES = 262_144
"""Bytes of lines that are kept until there is room."""

FLUSH_SECONDS = 0.5
"""Seconds between two attempts of a worker to write kept lines."""

EXIT_SECONDS = 1.0
"""Seconds that the end of the process may wait for kept lines."""

_EXIT_PAUSE = 0.005

_all: list[Output] = []

# The unpatched functions: gevent's would switch to another greenlet.
_poll: type[select.poll] = get_original("select", "poll")
_sleep: Callable[[float], None] = get_original("time", "sleep")


def _describe_loss(lost: int) -> str:
    return f"{lost} lines were lost: nobody read them"


class Output(io.RawIOBase):
    """Writes lines to a file descriptor of the process without waiting. No method yields or raises."""

    def __init__(self, descriptor: int, describe: Callable[[int], str] = _describe_loss) -> None:
        """Write to ``descriptor``; ``describe`` returns the line about a number of lost lines."""
        self._descriptor = descriptor
        self._describe = describe
        # Opened at the first line. Until then gunicorn may replace the descriptor.
        self._write: Callable[[bytes], int] | None = None
        self._release: Callable[[], None] | None = None
        self._partial = b""
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._lost = 0
        self._failed = False

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
        if text.endswith(b"\n") and not self._partial:
            self._write_lines(text)
            return len(text)
        lines, newline, partial = (self._partial + text if self._partial else text).rpartition(b"\n")
        if len(partial) > MAX_PENDING_BYTES:
            # A line without an end is lost.
            partial, self._lost = b"", self._lost + 1
        self._partial = partial
        if newline:
            self._write_lines(lines + newline)
        return len(text)

    def drain(self) -> None:
        """Write the kept lines as far as there is room."""
        while self._pending:
            line = self._pending.popleft()
            self._pending_bytes -= len(line)
            if rest := self._send(line):
                self._pending.appendleft(rest)
                self._pending_bytes += len(rest)
                return
        if self._lost:
            lost, self._lost = self._lost, 0
            line = (self._describe(lost) + "\n").encode(errors="backslashreplace")
            rest = self._send(line)
            if rest == line:
                # Still no room: the loss is not reported yet.
                self._lost += lost
            elif rest:
                self._keep(rest)

    def finish(self, seconds: float) -> None:
        """Write the kept lines, and wait for room for at most ``seconds``."""
        deadline = time.monotonic() + seconds
        if self._partial:
            self.write(b"\n")
        self.drain()
        while (self._pending or self._lost) and not self._failed and time.monotonic() < deadline:
            _sleep(_EXIT_PAUSE)
            self.drain()

    def close(self) -> None:
        """Release the resources of this object; the descriptor itself stays open."""
        if self._release is not None:
            self._release()
        self._write = self._release = None
        super().close()

    def forget(self) -> None:
        """Drop the kept lines. In a forked process, the parent writes them."""
        self._partial = b""
        self._pending.clear()
        self._pending_bytes = self._lost = 0

    def _write_lines(self, lines: bytes) -> None:
        if self._pending or self._lost:
            self.drain()
        if self._pending or self._lost:
            self._keep_or_lose(lines)
        elif rest := self._send(lines):
            if len(rest) == len(lines):
                self._keep_or_lose(rest)
            else:
                # The start of a line is written, so the rest must follow.
                self._keep(rest)

    def _keep_or_lose(self, lines: bytes) -> None:
        if self._lost or self._pending_bytes + len(lines) > MAX_PENDING_BYTES:
            self._lost += lines.count(b"\n")
        else:
            self._keep(lines)

    def _keep(self, lines: bytes) -> None:
        self._pending.append(lines)
        self._pending_bytes += len(lines)

    def _send(self, data: bytes) -> bytes:
        """Write as much as there is room for, and return the rest."""
        self._failed = False
        try:
            if self._write is None:
                self._write, self._release = _open(self._descriptor)
            return data[self._write(data) :]
        except BlockingIOError:
            return data
        except OSError:
            # The reader is gone, or the disk is full. Both may end.
            self._failed = True
            return data


def _open(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """Return a function that writes to a descriptor without waiting, and one that releases its resources.

    The first raises BlockingIOError if there is no room.

    The file description must stay a blocking one, since other processes share it.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data), lambda: None
    if stat.S_ISSOCK(mode):
        with _without_timeout():
            sock = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL), sock.close
    with suppress(OSError):
        reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return lambda data: os.write(reopened, data), lambda: os.close(reopened)
    # The file belongs to another user, or there is no /proc.
    return lambda data: _write_with_room(descriptor, data), lambda: None


def _write_with_room(descriptor: int, data: bytes) -> int:
    written = 0
    poll = _poll()
    poll.register(descriptor, select.POLLOUT)
    while written < len(data):
        if not any(events & select.POLLOUT for _, events in poll.poll(0)):
            break
        # A pipe that polls as writable has room for PIPE_BUF bytes (POSIX).
        written += os.write(descriptor, data[written : written + select.PIPE_BUF])
    if not written:
        raise BlockingIOError
    return written


@contextmanager
def _without_timeout() -> Iterator[None]:
    # A new socket with a timeout would make the shared file description a non-blocking one.
    timeout = _socket.getdefaulttimeout()
    _socket.setdefaulttimeout(None)
    try:
        yield
    finally:
        _socket.setdefaulttimeout(timeout)


def install(describe: Callable[[int], str] = _describe_loss) -> None:
    """Replace :data:`sys.stdout` and :data:`sys.stderr` by an :class:`Output`. A second call does nothing.

    Args:
        describe: returns the line about a number of lost lines.
    """
    if _all:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):
            # The stream is closed, or has no descriptor.
            continue
        stream.flush()
        output = Output(descriptor, describe)
        setattr(sys, name, io.TextIOWrapper(output, "utf-8", "backslashreplace", write_through=True))
        _all.append(output)
    os.register_at_fork(after_in_child=_forget)
    atexit.register(_finish)


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
