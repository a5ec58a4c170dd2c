"""Standard output and standard error that never make the process wait.

A pipe that nobody reads, a terminal that was stopped and a slow journal take what they have room for. The rest is kept,
up to a bound, and lines beyond it are dropped and counted. When it flows again, one line says how many were lost.

Everything goes this way that is written to :data:`sys.stderr` or :data:`sys.stdout`: log lines, warnings, and the
tracebacks that gevent prints. The master imports this where gevent has patched nothing.
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
"""What is kept of lines that cannot be written at once."""

FLUSH_SECONDS = 0.5
"""How often a worker tries to write what is kept."""

EXIT_SECONDS = 1.0
"""How long the end of the process may wait until everything is written."""

_EXIT_PAUSE = 0.005

_all: list[Output] = []

# gevent's own would switch to another greenlet.
_poll: type[select.poll] = get_original("select", "poll")
_sleep: Callable[[float], None] = get_original("time", "sleep")


def _plain(lost: int) -> str:
    return f"{lost} lines were lost: nobody read them"


class Output(io.RawIOBase):
    """A file descriptor of the process, written to line by line without waiting. Nothing here yields or raises."""

    def __init__(self, descriptor: int, describe: Callable[[int], str] = _plain) -> None:
        """Write to ``descriptor``; ``describe`` returns the line which says that so many lines were lost."""
        self._descriptor = descriptor
        self._describe = describe
        # Opened at the first line: until then gunicorn may put something else in the place of the descriptor.
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
        """Tell if it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Write the lines that are whole, and keep the begin of the next one."""
        given = bytes(data)
        if given.endswith(b"\n") and not self._partial:
            self._put(given)
            return len(given)
        lines, newline, partial = (self._partial + given if self._partial else given).rpartition(b"\n")
        if len(partial) > MAX_PENDING_BYTES:
            # What has no end is no line.
            partial, self._lost = b"", self._lost + 1
        self._partial = partial
        if newline:
            self._put(lines + newline)
        return len(given)

    def drain(self) -> None:
        """Write what is kept, as far as there is room for it."""
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
                # Still no room: nothing was said.
                self._lost += lost
            elif rest:
                self._keep(rest)

    def finish(self, seconds: float) -> None:
        """Write what is kept, and wait for that many seconds at the most."""
        deadline = time.monotonic() + seconds
        if self._partial:
            self.write(b"\n")
        self.drain()
        while (self._pending or self._lost) and not self._failed and time.monotonic() < deadline:
            _sleep(_EXIT_PAUSE)
            self.drain()

    def close(self) -> None:
        """Give back what writing takes; the descriptor itself stays open."""
        if self._release is not None:
            self._release()
        self._write = self._release = None
        super().close()

    def forget(self) -> None:
        """Forget what is kept: in a process that was forked, it is its parent's to write."""
        self._partial = b""
        self._pending.clear()
        self._pending_bytes = self._lost = 0

    def _put(self, lines: bytes) -> None:
        if self._pending or self._lost:
            self.drain()
        if self._pending or self._lost:
            self._keep_or_lose(lines)
        elif rest := self._send(lines):
            if len(rest) == len(lines):
                self._keep_or_lose(rest)
            else:
                # The begin of a line is out, so its end must follow.
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
        """Write what there is room for, and return the rest."""
        self._failed = False
        try:
            if self._write is None:
                self._write, self._release = _opened(self._descriptor)
            return data[self._write(data) :]
        except BlockingIOError:
            return data
        except OSError:
            # Nobody reads any more, or the disk is full: both may pass.
            self._failed = True
            return data


def _opened(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """Return what writes to a descriptor without waiting, and what gives back all that this takes.

    The first raises BlockingIOError where there is no room.

    Other processes share its open file description, so that must not become a non-blocking one.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return lambda data: os.write(descriptor, data), lambda: None
    if stat.S_ISSOCK(mode):
        with _without_timeout():
            sock = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL), sock.close
    with suppress(OSError):
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return lambda data: os.write(own, data), lambda: os.close(own)
    # It belongs to another user, or there is no /proc.
    return lambda data: _write_with_room(descriptor, data), lambda: None


def _write_with_room(descriptor: int, data: bytes) -> int:
    written = 0
    poll = _poll()
    poll.register(descriptor, select.POLLOUT)
    while written < len(data):
        if not any(events & select.POLLOUT for _, events in poll.poll(0)):
            break
        # A pipe with room has room for that (POSIX, PIPE_BUF).
        written += os.write(descriptor, data[written : written + select.PIPE_BUF])
    if not written:
        raise BlockingIOError
    return written


@contextmanager
def _without_timeout() -> Iterator[None]:
    # A new socket with a time-out would make the shared description a non-blocking one.
    timeout = _socket.getdefaulttimeout()
    _socket.setdefaulttimeout(None)
    try:
        yield
    finally:
        _socket.setdefaulttimeout(timeout)


def install(describe: Callable[[int], str] = _plain) -> None:
    """Put an :class:`Output` in the place of :data:`sys.stdout` and :data:`sys.stderr`; the second time does nothing.

    Args:
        describe: returns the line which says that so many lines were lost.
    """
    if _all:
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):
            # It is closed, or no descriptor at all.
            continue
        stream.flush()
        output = Output(descriptor, describe)
        setattr(sys, name, io.TextIOWrapper(output, "utf-8", "backslashreplace", write_through=True))
        _all.append(output)
    os.register_at_fork(after_in_child=_forget)
    atexit.register(_finish)


def drain() -> None:
    """Write what is kept, as far as there is room for it. Does not wait."""
    for output in _all:
        output.drain()


def _forget() -> None:
    for output in _all:
        output.forget()


def _finish() -> None:
    for output in _all:
        output.finish(EXIT_SECONDS)
