"""The closing handshake of a WebSocket (RFC 6455, section 7), after one side has sent its close frame."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

import gevent

from .receiver import FrameReceiver
from .send_buffer import SendBuffer
from .socket_io import reset


def finish(
    sock: socket.socket,
    send_buffer: SendBuffer,
    receiver: FrameReceiver,
    wait: Callable[[], bool],
    timeout: float,
) -> None:
    """Send what is buffered and wait for the client's close frame; if that takes too long, reset the connection.

    Args:
        sock: the socket of the connection.
        send_buffer: the frames that are not sent yet, our close frame last.
        receiver: takes the client's frames.
        wait: waits for data from the client; it returns False once the TCP connection has ended.
        timeout: seconds that all of this may take.
    """
    finished = False
    with gevent.Timeout(timeout, False):  # type: ignore[arg-type]
        send_buffer.drain()
        if not receiver.answered and receiver.close_code is not None:
            # We failed the connection (RFC 6455, section 7.1.7). The client must see the end even if it never answers.
            # Its data must be read all the same, or else the kernel resets the connection and our close frame is lost.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        while not receiver.answered and wait():
            pass
        finished = True
    if not finished:
        reset(sock)
