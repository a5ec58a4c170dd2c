"""A page of an app on synchronous workers, in Chromium: its calls go over the service beside the app."""

from __future__ import annotations

import pytest

from tests.driver import ROOT, Server
from tests.redis_server import free_port

SECRET = "one secret for the app and the service beside it"
APP = """
import os
from flask import Flask, render_template_string, request, session
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from signaling import Signaling, call_started

app = Flask(__name__)
app.secret_key = "the same in all workers"
signaling = Signaling(app)
signaling.user_loader(lambda: session.get("user"))
signaling.authorizer(lambda user, peer: peer != "eve")
CSRFProtect(app)
service = os.environ["SIGNALING_SERVICE_URL"].replace("http", "ws", 1)
Talisman(
    app,
    force_https=False,
    session_cookie_secure=False,
    content_security_policy={
        "default-src": "'self'",
        "script-src": "",
        "img-src": "data:",
        "connect-src": f"'self' {service}",
    },
    content_security_policy_nonce_in=["script-src"],
)


@app.get("/healthz")
def healthz():
    return {"status": "ok"}


@app.get("/page")
def page():
    session["user"] = request.args["me"]
    return render_template_string('''<!doctype html>
<title>Beside</title>
<link rel="icon" href="data:,">
{{ signaling_tags() }}
<script type="module" nonce="{{ csp_nonce() }}">
  import { Call, SignalingClient, pageConfig, pageToken } from 'signaling';
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  const call = window.call = new Call(new SignalingClient(pageConfig().url), { media });
  call.on('status', ({ state, error }) => { document.title = error?.message ?? state; });
  const peer = {{ request.args.peer|tojson }};
  call.join({{ request.args.me|tojson }}, peer, { token: pageToken(peer) });
</script>''')
"""
CONFIGURATION = """
bind = "localhost:0"
workers = 2
worker_class = "sync"
loglevel = "info"
control_socket_disable = True
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beside")
    (folder / "shop.py").write_text(APP)
    (folder / "own.py").write_text(CONFIGURATION)
    port = free_port()
    with (
        Server(PORT=port, SIGNALING_SERVICE_SECRET=SECRET),
        Server(
            None,
            ("-c", str(folder / "own.py")),
            app="shop:app",
            PYTHONPATH=f"{folder}:{ROOT}",
            SIGNALING_SERVICE_URL=f"http://localhost:{port}",
            SIGNALING_SERVICE_SECRET=SECRET,
        ) as running,
    ):
        yield running


def test_two_pages_of_the_app_connect_over_the_service(alice, bob, names, server):
    me, peer = names
    alice.page.goto(f"{server.url}/page?me={me}&peer={peer}")
    alice.until("() => document.title === 'waiting'")
    bob.page.goto(f"{server.url}/page?me={peer}&peer={me}")
    for caller in (alice, bob):
        caller.until("() => document.title === 'connected'")
    bob.page.evaluate("window.call.hangUp()")
    alice.until("() => document.title === 'waiting'")
    alice.page.evaluate("window.call.hangUp()")
