"""The reads, writes and resets of a gevent socket that never wait: those of OpenSSL, or of its file descriptor.

gevent's sockets are non-blocking underneath. Its Python layers would wait.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import gevent.socket

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a read or write raises where it would have to wait."""

READABLE, WRITABLE = 1, 2
"""What an I/O watcher of the loop watches for."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which a close forgets what is not sent yet."""


def reader(sock: gevent.socket.socket) -> Any:
    """Return what reads up to so many bytes of ``sock``."""
    tls = getattr(sock, "_sslobj", None)
    return tls.read if tls else partial(os.read, sock.fileno())


def writer(sock: gevent.socket.socket) -> Any:
    """Return what writes bytes to ``sock`` and returns how many it took."""
    tls = getattr(sock, "_sslobj", None)
    return tls.write if tls else partial(os.write, sock.fileno())


def reset(sock: gevent.socket.socket) -> None:
    """Break off: what the kernel still holds for a client that is gone would be resent for minutes."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        gevent.socket.socket.shutdown(sock, socket.SHUT_RDWR)


def released(*_: object) -> NoReturn:
    """Stand in the place of a read or write whose socket is let go of."""
    raise OSError("the connection is released")
