"""An app that sends every message back: the server's own handshake and connection under the fuzzing client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from websockets.frames import Frame, Opcode

from signaling.transport.connection import Connection
from signaling.transport.pending import ConnectionHandler
from signaling.transport.route import Sock

if TYPE_CHECKING:
    import gevent.socket

# The longest message of the cases is 16 MiB, and the fuzzing client is slow to take it back.
LIMIT_BYTES = 64 * 1_048_576

app = Flask(__name__)
sock = Sock(app)


@sock.route("/")
def echo() -> ConnectionHandler:
    return converse


@app.get("/healthz")
def health() -> dict[str, Any]:
    return {"status": "ok"}


def converse(sock: gevent.socket.socket, read_ahead: bytes) -> Connection:
    connection = Connection(sock, max_message_bytes=LIMIT_BYTES, send_buffer_bytes=LIMIT_BYTES, received=read_ahead)

    def work() -> None:
        while (message := connection.next_message()) is not None:
            if isinstance(message, str):
                connection.send_text(message.encode())
            else:
                # The service itself sends no binary messages.
                connection._transmit(Frame(Opcode.BINARY, message).serialize(mask=False))
        if connection.close_code is not None:
            connection.wait_closed()

    connection.on_work = work
    connection.start()
    return connection
