"""A client that sends raw bytes over TLS, and answers nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.waiting import TIMEOUT

_READ_BYTES = 65_536
_SMALL_BUFFER_BYTES = 4_096


class RawClient:
    """A TCP connection to the server, with or without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = ClientProtocol(parse_uri("wss://localhost/"))

    @classmethod
    async def come(cls, port: int, tls: ssl.SSLContext | None) -> RawClient:
        """Connect, with a kernel buffer so small that not reading is soon felt."""
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        plain.setblocking(False)
        try:
            async with asyncio.timeout(TIMEOUT):
                await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
                name = "localhost" if tls else None
                return cls(*await asyncio.open_connection(sock=plain, ssl=tls, server_hostname=name))
        except BaseException:
            plain.close()
            raise

    async def upgrade(self) -> None:
        """Become a WebSocket.

        Raises:
            ConnectionError: the server ended the connection instead.
        """
        self._protocol.send_request(self._protocol.connect())
        await self.send(*self._protocol.data_to_send())
        async with asyncio.timeout(TIMEOUT):
            while self._protocol.state is State.CONNECTING:
                data = await self._reader.read(_READ_BYTES)
                if not data:
                    raise ConnectionError("no answer to the handshake")
                self._protocol.receive_data(data)

    async def send(self, *data: bytes) -> None:
        """Send bytes; nothing happens when the server has ended the connection."""
        with suppress(ConnectionError):
            self._writer.writelines(data)
            async with asyncio.timeout(TIMEOUT):
                await self._writer.drain()

    async def end(self) -> int | None:
        """Read until the server ends the connection, and return the close code that came before it.

        Raises:
            TimeoutError: it does not end.
        """
        with suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(TIMEOUT):
                while data := await self._reader.read(_READ_BYTES):
                    if self._protocol.handshake_exc is None and self._protocol.state is not State.CONNECTING:
                        self._protocol.receive_data(data)
                        self._protocol.data_to_send()
        return self._protocol.close_rcvd.code if self._protocol.close_rcvd else None

    def drop(self) -> None:
        self._writer.transport.abort()


def frame(first: int, payload: bytes) -> bytes:
    """Return a frame whose first byte is this, masked with zeros."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65_536 else b"\xff" + size.to_bytes(8, "big")
    return bytes((first,)) + length + bytes(4) + payload


def text(**fields: object) -> bytes:
    return frame(0x81, json.dumps(fields).encode())


def hello(tls: ssl.SSLContext) -> bytes:
    """Return the first message of a TLS handshake."""
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        tls.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()
