"""Writing to a file descriptor without waiting, whatever it is: a file, a pipe, a terminal or a socket.

The file description must stay a blocking one, since other processes share it.
"""

from __future__ import annotations

import _socket
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from gevent.monkey import get_original

PIPE_BUF = select.PIPE_BUF
"""Bytes that no other process can write into (POSIX)."""

# The unpatched class: gevent's would switch to another greenlet.
_poll: type[select.poll] = get_original("select", "poll")


def open_without_waiting(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """Return a function that writes to a descriptor without waiting, and one that releases its resources.

    The first raises BlockingIOError if there is no room.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return partial(os.write, descriptor), lambda: None
    if stat.S_ISSOCK(mode):
        with _without_timeout():
            sock = _socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL), sock.close
    with suppress(OSError):
        reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return partial(os.write, reopened), partial(os.close, reopened)
    # The file belongs to another user, or there is no /proc.
    return partial(_write_with_room, descriptor), lambda: None


def _write_with_room(descriptor: int, data: bytes) -> int:
    written = 0
    poll = _poll()
    poll.register(descriptor, select.POLLOUT)
    while written < len(data):
        if not any(events & select.POLLOUT for _, events in poll.poll(0)):
            break
        # A pipe that polls as writable has room for PIPE_BUF bytes (POSIX).
        written += os.write(descriptor, data[written : written + PIPE_BUF])
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


def count_of_one_write(pending: list[bytes]) -> int:
    """Return how many of the lines fit into :data:`PIPE_BUF`, but at least one."""
    count = size = 0
    for lines in pending:
        size += len(lines)
        if size > PIPE_BUF:
            break
        count += 1
    return count or 1
