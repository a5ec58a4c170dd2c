"""A WebSocket is a request like any other to whatever stands around the app: middleware, hooks, the access log."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.driver import ROOT, Client, Server, meet
from tests.long import rest_long
from tests.waiting import TIMEOUT

APP = '''
import sys

from flask import Flask, request
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app)


def say(*words):
    print("SAID", *words, file=sys.stderr, flush=True)


@app.after_request
def note(response):
    say("after", request.path, response.status_code)
    return response


class Watching:
    """As an error tracker: it reports whatever passes through it as an exception, StopIteration included."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        try:
            return self.app(environ, start_response)
        except BaseException as error:
            say("raised", repr(error))
            raise


def generator(app):
    """As many people write middleware. A StopIteration would become a RuntimeError in it (PEP 479)."""

    def middleware(environ, start_response):
        seen, before = [], dict(environ)

        def start(status, headers, exc_info=None):
            seen.append(status)
            return start_response(status, headers, exc_info)

        yield from app(environ, start)
        say("done", environ["PATH_INFO"], environ["REQUEST_METHOD"], *seen)
        lost = [name for name, value in before.items() if environ.get(name) is not value]
        say("environ", lost or "whole", environ["wsgi.input"] is not None and environ["HTTP_HOST"])

    return middleware


def copying(app):
    """As some do: the app gets an environment of its own."""
    return lambda environ, start_response: app({**environ, "copied": "yes"}, start_response)


def spoiling(app):
    """It fails where the client asks for it, when the answer is on its way."""

    def middleware(environ, start_response):
        answer = app(environ, start_response)
        if "spoil" in environ["QUERY_STRING"]:
            raise RuntimeError("spoiled")
        return answer

    return middleware


app.wsgi_app = Watching(generator(copying(Watching(spoiling(app.wsgi_app)))))
'''

CONFIG = """
exec(open("gunicorn.conf.py").read())
accesslog = "-"
logconfig_dict["loggers"]["gunicorn.access"] = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
access_log_format = "ACCESS %(m)s %(U)s %(s)s"


def post_request(worker, request, environ, response):
    print("SAID", "post", environ.get("PATH_INFO"), environ.get("copied"), response.status, flush=True)
"""


@pytest.fixture(scope="module", params=rest_long(["signaling.worker.Worker", "gevent"]))
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "mine.py").write_text(APP)
    (folder / "conf.py").write_text(CONFIG.replace("flush=True", "file=__import__('sys').stderr, flush=True"))
    arguments = ("-k", request.param, "-c", str(folder / "conf.py"))
    with Server(None, arguments, app="mine:app", PYTHONPATH=f"{folder}:{ROOT}") as server:
        yield server


def test_a_websocket_goes_through_middleware_and_hooks_as_a_101(watched: Server):
    since = len(watched.log)
    alice, bob = meet(watched)
    with alice, bob:
        alice.send(type="message", data=1)
        assert bob.receive()["data"] == 1
    watched.wait_for_log(r"SAID after / 101", since)
    watched.wait_for_log(r"SAID done / GET 101 Switching Protocols", since)
    watched.wait_for_log(r"SAID post / None 101 Switching Protocols", since)
    watched.wait_for_log(r"ACCESS GET / 101", since)
    watched.wait_for_log(r"SAID environ whole localhost", since)
    assert not [line for line in watched.log if "SAID raised" in line]


def test_a_websocket_is_one_request(watched: Server):
    since = len(watched.log)
    with Client(watched, "/ws") as alice:
        assert alice.quiet()
    # The connection of a later request, whose lines come last.
    watched.get("/healthz")
    watched.wait_for_log(r"ACCESS GET /healthz 200", since)
    watched.wait_for_log(r"ACCESS GET /ws ", since)
    lines = [line for line in watched.log[since:] if "/ws" in line]
    for told in ("ACCESS GET /ws 101", "SAID after /ws 101", "SAID done /ws GET 101"):
        assert sum(told in line for line in lines) == 1, lines
    assert not [line for line in lines if "Error" in line]


def test_it_ends_without_a_word_of_http(watched: Server):
    with Client(watched) as alice:
        assert alice.quiet()
        alice.send(type="join", userId="alice", remoteId="alice")
        assert alice.receive()["code"] == "self-connection"
        assert alice.closed() == (1008, "User cannot connect to themselves")


def test_an_answer_that_fails_on_its_way_is_no_websocket(watched: Server):
    with pytest.raises(Exception, match=r"500|did not receive|connection closed|EOF"):
        Client(watched, "/?spoil=1")
    assert watched.health()["connections"] == 0
    with Client(watched) as alice:
        assert alice.quiet()


def test_a_refusal_is_seen_as_it_is(watched: Server):
    since = len(watched.log)
    with pytest.raises(Exception, match="426"):
        Client(watched, headers={"Sec-WebSocket-Version": "8"})
    watched.wait_for_log(r"SAID done / GET 4", since)


def test_bytes_behind_the_handshake_are_not_lost(watched: Server):
    with socket.create_connection(("127.0.0.1", watched.port), TIMEOUT) as client:
        text = b'{"type":"ping","id":7}'
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
        )
        data = b""
        while b"pong" not in data:
            data += client.recv(4_096)
        assert data.endswith(b'{"type":"pong","id":7}')
