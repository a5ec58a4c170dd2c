"""The call page under `flask run`, over plain HTTP, as a developer sees it on localhost."""

from contextlib import suppress

import pytest

from tests.dev_server import DevServer

APP = """
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    path = tmp_path_factory.mktemp("app") / "mine.py"
    path.write_text(APP)
    return path


@pytest.fixture(scope="module")
def server(app):
    with DevServer(app, ("--debug", "--reload"), health="/call/healthz") as running:
        yield running


@pytest.mark.long
def test_a_call_outlives_a_reload_of_the_page_and_of_the_code(alice, bob, names, server, app):
    me, peer = names
    for caller in (alice, bob):
        caller.url += "/call"
    alice.open(me, peer).reads(f"Waiting for {peer}")
    bob.open(peer, me)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)

    bob.open(peer, me)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)

    # While the server restarts, the browser complains of a WebSocket that it cannot open.
    for caller in (alice, bob):
        caller.forgive("WebSocket connection to")
    app.write_text(APP + '\n\n@app.get("/new")\ndef new():\n    return {}\n')

    def both_are_back():
        with suppress(OSError):
            return server.get("/new") == {} and server.health()["connections"] == 2

    alice.wait_until(both_are_back)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)
    alice.sees_live_video()
