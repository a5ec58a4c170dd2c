"""The servers that cannot hold a WebSocket, and what they are told."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from signaling import create_app

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
