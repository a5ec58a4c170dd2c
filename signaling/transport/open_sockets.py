"""The sockets of a worker that are WebSockets, from the answer to the handshake to the end of the TCP connection."""

from __future__ import annotations

from .connection import Connection


class OpenSockets:
    """The connections whose sockets the worker closes once they have ended."""

    def __init__(self) -> None:
        self._connections: dict[Connection, None] = {}
        # One bound method for all connections.
        self._on_closed = self._close

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Close the socket of ``connection`` when that has ended."""
        self._connections[connection] = None
        connection.on_closed = self._on_closed
        if connection.is_released:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.sock.close()
        self._connections.pop(connection, None)

    def kill(self) -> None:
        """End the greenlets that still do work for connections. Does not wait."""
        for connection in list(self._connections):
            connection.kill()
