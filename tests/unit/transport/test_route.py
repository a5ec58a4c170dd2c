"""The servers that cannot hold a WebSocket, and what they are told."""

from __future__ import annotations

import socket
import struct
from typing import Any

import gevent
import gevent.socket
import pytest

from signaling import create_app
from signaling.transport.connection import Connection
from signaling.transport.route import _run
from tests.unit.transport.test_receiver import frame
from tests.waiting import TIMEOUT

HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "use gunicorn with gevent workers, or flask run in development"),
        ({"gunicorn.socket": socket.socket}, "start gunicorn with -k signaling.worker.Worker or -k gevent"),
        ({"werkzeug.socket": socket.socket, "wsgi.multithread": False}, "start flask run without --without-threads"),
    ],
    ids=["another server", "sync or gthread", "without threads"],
)
def test_a_server_that_cannot_hold_a_websocket_says_what_to_do(
    environ: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
):
    answer = create_app().test_client().get("/ws", headers=HANDSHAKE, environ_overrides=environ)
    assert answer.status_code == 501
    assert words in answer.text
    assert words in caplog.text


def test_a_wrong_handshake_is_refused_under_any_server():
    environ = {"werkzeug.socket": socket.socket, "wsgi.multithread": True}
    answer = create_app().test_client().get("/ws", headers=HANDSHAKE, environ_overrides=environ)
    assert answer.status_code == 400


@pytest.mark.parametrize("error", [gevent.GreenletExit(), gevent.Timeout()], ids=["killed", "a timeout of the app"])
def test_a_request_of_another_worker_that_is_broken_off_says_so_to_the_client(error: BaseException):
    """gunicorn's own gevent worker keeps the request as long as the WebSocket."""
    ours, theirs = gevent.socket.socketpair()

    def handler(sock: gevent.socket.socket, received: bytes) -> Connection:
        connection = Connection(sock, close_timeout=TIMEOUT, received=received)
        connection.on_work = connection.wait_closed
        connection.start()
        return connection

    with ours, theirs, gevent.Timeout(TIMEOUT):
        request = gevent.spawn(list, _run(handler, {"gunicorn.socket": ours}))
        gevent.sleep(0)
        request.kill(error, block=False)
        close = struct.pack("!H", 1011)
        assert theirs.recv(100) == b"\x88\x02" + close
        theirs.sendall(frame(0x88, close))
        assert theirs.recv(100) == b""
        request.join()
