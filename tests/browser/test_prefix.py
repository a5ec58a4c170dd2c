"""The page inside somebody else's Flask app."""

import pytest

from tests.driver import ROOT, Server

APP = """
from flask import Flask
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificate):
    folder = tmp_path_factory.mktemp("app")
    (folder / "host.py").write_text(APP)
    where = {"app": "host:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(certificate, SIGNALING_OPS_TOKEN="operator", **where) as running:
        yield running


@pytest.mark.long
def test_a_call_under_a_prefix(alice, bob, names):
    """The page, its modules and its WebSocket are all found relative to where the service is mounted."""
    me, peer = names
    for caller in (alice, bob):
        caller.url += "/call"
    alice.open(me, peer).reads(f"Waiting for {peer}")
    bob.open(peer, me)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)


def test_the_prefix_without_its_slash_leads_to_the_page(alice, server):
    """`/call` is sent on to `/call/`, under which the page's own addresses are right."""
    alice.page.goto(f"{server.url}/call")
    assert alice.page.url == f"{server.url}/call/"
    alice.reads("Ready")


def test_the_operators_page_under_a_prefix(new_caller, server):
    operator = new_caller(http_credentials={"username": "ops", "password": "operator"})
    operator.page.goto(f"{server.url}/call/ops")
    operator.reads("Live")
