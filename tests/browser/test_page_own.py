"""The call page as an app changes it, in words of another language, under a policy that asks for nonces."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.driver import ROOT, Server

APP = """
from flask import Flask, render_template_string
from flask_talisman import Talisman
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")
Talisman(
    app,
    content_security_policy={"default-src": "'self'", "script-src": "", "style-src": ""},
    content_security_policy_nonce_in=["script-src", "style-src"],
)


@app.get("/own")
def own():
    return render_template_string('''<!doctype html>
<title>Own</title>
<link rel="icon" href="{{ url_for('signaling.static', filename='favicon.svg') }}">
{{ signaling_tags(token="</script>") }}
<script type="module" nonce="{{ csp_nonce() }}">
  import { Call, SignalingClient, pageConfig } from 'signaling';
  window.config = pageConfig();
  const call = window.call = new Call(new SignalingClient(window.config.url));
  call.on('status', ({ state }) => { document.title = state; });
  call.join('carol', 'dave');
</script>''')
"""

TEMPLATE = """
{% extends "signaling/call_base.html" %}
{% block lang %}de{% endblock %}
{% block brand %}<div class="brand"><h1>Praxis Dr. Sommer</h1></div>{% endblock %}
{% set signaling_words = {
  "Video call": "Sprechstunde",
  "Ready": "Bereit",
  "Call {peer} as {me}": "{me} ruft {peer} an",
  "Join the call": "Teilnehmen",
  "Waiting for {peer}": "Wir warten auf {peer}",
  "In a call with {peer}, connected directly": "Im Gespräch mit {peer}",
  "Mute": "Stumm",
  "Hang up": "Auflegen",
  "Chat": "Nachrichten",
  "Close": "Schließen",
  "Picture of {peer}": "Bild von {peer}",
  "You hung up": "Aufgelegt",
} %}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificate):
    folder = tmp_path_factory.mktemp("app")
    (folder / "practice.py").write_text(APP)
    (folder / "templates/signaling").mkdir(parents=True)
    (folder / "templates/signaling/call.html").write_text(TEMPLATE)
    where = {"app": "practice:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    with Server(certificate, **where) as running:
        yield running


def test_a_call_in_german_on_a_page_of_the_app(alice, bob, names, server):
    """Chromium complains of whatever the policy forbids, and no page may complain (`new_caller`)."""
    me, peer = names
    for caller, own, other in ((alice, me, peer), (bob, peer, me)):
        caller.page.goto(f"{server.url}/call/?me={own}&peer={other}")
        caller.reads("Bereit")
        expect(caller.page.get_by_role("heading", name="Praxis Dr. Sommer")).to_be_visible()
        expect(caller.page.get_by_role("heading", name=f"{own} ruft {other} an")).to_be_visible()
        caller.settle()
        caller.press("Teilnehmen")
        if caller is alice:
            alice.reads(f"Wir warten auf {peer}")
            assert re.fullmatch(f"Wir warten auf {peer} . Sprechstunde", alice.page.title())
    alice.reads(f"Im Gespräch mit {peer}")
    alice.sees_live_video()
    bob.sees_live_video()
    assert alice.page.evaluate("document.documentElement.lang") == "de"
    assert alice.page.get_attribute("#remote", "aria-label") == f"Bild von {peer}"
    expect(alice.button("Stumm")).to_be_visible()
    alice.button("Nachrichten").click()
    expect(alice.page.get_by_role("heading", name="Nachrichten")).to_be_visible()
    alice.button("Schließen").click()
    alice.button("Auflegen").click()
    alice.reads("Aufgelegt")


def test_the_policy_of_the_page_has_the_nonce_of_its_scripts(alice, server):
    response = alice.page.goto(f"{server.url}/call/")
    alice.reads("Bereit")
    [nonce] = set(re.findall(r"'nonce-([^']+)'", response.headers["content-security-policy"]))
    assert alice.page.evaluate("[...document.scripts].every((script) => script.nonce)")
    assert f'nonce="{nonce}"' in response.text()
    assert "'self'" not in response.headers["content-security-policy"].partition("script-src")[2].partition(";")[0]


def test_a_page_of_the_app_imports_the_client_by_its_name(alice, server):
    alice.page.goto(f"{server.url}/own")
    alice.until("() => document.title === 'waiting'")
    assert alice.page.evaluate("window.config") == {
        "url": f"wss://localhost:{server.port}/call/ws",
        "prefix": "/call",
        "token": "</script>",
    }
    alice.page.evaluate("window.call.hangUp()")


def test_accessible_in_another_language(alice, server, faultless):
    alice.page.goto(f"{server.url}/call/")
    alice.reads("Bereit")
    faultless(alice)
