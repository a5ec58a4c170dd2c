"""Reads, writes and resets of a gevent socket that never wait: OpenSSL's with TLS, else those of the bare socket.

gevent's sockets are non-blocking underneath; only their Python layers wait. OpenSSL's object works for as long as the
bare socket exists.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from typing import Any, NoReturn

import gevent.socket

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""The errors of a read or write that would have to wait."""

READABLE, WRITABLE = 1, 2
"""The events of gevent's I/O watchers."""

_TCP_ESTABLISHED = 1

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of ``SO_LINGER`` with which a close drops all unsent bytes."""


def bare(sock: gevent.socket.socket) -> socket.socket:
    """Return the socket that ``sock`` wraps, which knows no event loop. It keeps the descriptor open."""
    found: socket.socket = sock._sock  # type: ignore[attr-defined]
    return found


def reader(sock: gevent.socket.socket) -> Any:
    """Return a function that reads up to a number of bytes from ``sock``. It does not keep ``sock`` alive."""
    tls = getattr(sock, "_sslobj", None)
    return tls.read if tls else bare(sock).recv


def writer(sock: gevent.socket.socket) -> Any:
    """Return a function that writes bytes to ``sock`` and returns the number of bytes taken.

    It does not keep ``sock`` alive.
    """
    tls = getattr(sock, "_sslobj", None)
    return tls.write if tls else bare(sock).send


def reset(sock: socket.socket) -> None:
    """Reset the TCP connection. Else the kernel would resend unsent bytes to a dead client for minutes."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.shutdown(socket.SHUT_RDWR)


def is_connected(sock: socket.socket) -> bool:
    """Return whether the peer has not ended its TCP connection, as far as the kernel knows."""
    try:
        # The first byte of struct tcp_info is the state (linux/tcp.h).
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_ESTABLISHED
    except (OSError, AttributeError):
        # A Unix socket, or another system.
        return True


def released(*_: object) -> NoReturn:
    """Replace the read or write function of a released socket.

    Raises:
        OSError: always.
    """
    raise OSError("the connection is released")
