"""The sockets of a worker that are WebSockets, from the answer to the handshake to the end of the TCP connection."""

from __future__ import annotations

import gevent.event

from .connection import Connection


class OpenSockets:
    """The connections whose sockets the worker closes once they have ended."""

    def __init__(self) -> None:
        self._connections: dict[Connection, None] = {}
        self._empty = gevent.event.Event()
        self._empty.set()
        # One bound method for all connections.
        self._on_closed = self._close

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Close the socket of ``connection`` when that has ended."""
        self._connections[connection] = None
        self._empty.clear()
        connection.on_closed = self._on_closed
        if connection.is_released:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.sock.close()
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()

    def join(self, timeout: float) -> bool:
        """Wait until all have ended, up to ``timeout`` seconds, and return whether they have."""
        return self._empty.wait(timeout)

    def kill(self) -> None:
        """End the greenlets that still do work for connections. Does not wait."""
        for connection in list(self._connections):
            connection.kill()
