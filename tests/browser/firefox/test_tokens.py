"""Calls in Firefox outlive their tokens: by a resume ticket, or by a fresh token from the app."""

import os
import signal
import time

import jwt
import pytest

from tests.browser.firefox.test_calls import is_one_connection
from tests.driver import ROOT, Server
from tests.waiting import wait_until

SECRET = "the secret that the app and this server share"
SETTINGS = {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_LEEWAY": 0}
# Seconds that a token is valid for: enough for two pages to be in a call.
VALID_SECONDS = 60
APP = """
import os
import time

import jwt
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
Signaling(app, url_prefix="/call")


@app.get("/fresh/<me>/<peer>")
def fresh(me, peer):
    claims = {"sub": me, "peer": peer, "exp": time.time() + 300}
    return {"token": jwt.encode(claims, os.environ["SIGNALING_JWT_KEY"])}
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    (folder / "host.py").write_text(APP)
    return {"app": "host:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}


def call_until_the_tokens_end(server, new_firefox, names, prefix="", refresh=False):
    """Two in a call whose tokens have just expired."""
    end = time.time() + VALID_SECONDS
    callers = new_firefox(server.url), new_firefox(server.url)
    pairs = list(zip(callers, names, reversed(names), strict=True))
    for caller, me, peer in pairs:
        token = jwt.encode({"sub": me, "peer": peer, "exp": end}, SECRET)
        fragment = f"token={token}" + (f"&refresh=/fresh/{me}/{peer}" if refresh else "")
        caller.page.goto(f"{caller.url}{prefix}/?me={me}&peer={peer}#{fragment}")
        caller.join()
    for caller, _, peer in pairs:
        caller.is_in_a_call_with(peer)
    wait_until(lambda: time.time() > end, 2 * VALID_SECONDS)
    return pairs


def are_back(server, pairs):
    wait_until(lambda: server.health()["connections"] == 2)
    for caller, _, peer in pairs:
        caller.is_in_a_call_with(peer)
        assert is_one_connection(caller)
        assert "expired" not in caller.page.evaluate("() => document.querySelector('[role=status]').textContent")


def test_both_come_back_by_their_tickets(new_firefox, names, certificate):
    with Server(certificate, **SETTINGS) as server:
        pairs = call_until_the_tokens_end(server, new_firefox, names)
        before = server.worker
        server.signal(signal.SIGHUP)
        wait_until(lambda: not os.path.exists(f"/proc/{before}"))
        are_back(server, pairs)


def test_both_come_back_by_fresh_tokens(new_firefox, names, certificate, app):
    """The server that comes back does not know the tickets."""
    with Server(certificate, **SETTINGS, **app, SIGNALING_RESUME_SECRET="a" * 32) as server:
        pairs = call_until_the_tokens_end(server, new_firefox, names, prefix="/call", refresh=True)
    with Server(certificate, **SETTINGS, **app, SIGNALING_RESUME_SECRET="b" * 32, PORT=server.port) as server:
        are_back(server, pairs)
