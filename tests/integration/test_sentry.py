"""Sentry's SDK in an app: it hears of errors of the app's hooks and receivers, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver import ROOT, Client, Server

APP = """
import sys
import sentry_sdk
from sentry_sdk.integrations.flask import FlaskIntegration


def tell(event, hint):
    error = hint["exc_info"][1] if "exc_info" in hint else event.get("logentry")
    print(f"SENTRY {error!r}", file=sys.stderr, flush=True)


sentry_sdk.init(
    dsn="http://key@127.0.0.1:1/1",
    before_send=tell,
    integrations=[FlaskIntegration()],
    default_integrations=False,
)

from flask import Flask
from signaling import Signaling, call_waiting

app = Flask(__name__)
signaling = Signaling(app)


@signaling.user_loader
def who():
    from flask import request
    return request.args.get("user")


@signaling.authorizer
def may_call(user, peer):
    if peer == "trouble":
        raise RuntimeError("the database is away")
    return True


@call_waiting.connect
def ring(app, user, peer):
    if peer == "nobody":
        raise RuntimeError("no phone")


@app.get("/fails")
def fails():
    raise RuntimeError("a view")
"""


@pytest.fixture(scope="module", params=["signaling.worker.Worker", "gevent"])
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "mine.py").write_text(APP)
    arguments = ("-b", "127.0.0.1:0", "-k", request.param)
    with Server(None, arguments, app="mine:app", PYTHONPATH=f"{folder}:{ROOT}") as server:
        yield server


def heard(server: Server, since: int) -> list[str]:
    """Return what Sentry heard of; a view that fails comes last."""
    with pytest.raises(OSError, match="500"):
        server.get("/fails")
    server.wait_for_log("SENTRY RuntimeError.'a view'", since)
    return [line.partition("SENTRY ")[2] for line in server.log[since:] if "SENTRY" in line][:-1]


def test_it_hears_of_no_websocket_however_that_ends(watched: Server):
    since = len(watched.log)
    with Client(watched, "/?user=alice") as alice, Client(watched, "/?user=bob") as bob:
        alice.join("alice", "bob")
        bob.join("bob", "alice")
        bob.send(type="join", userId="eve", remoteId="alice")
        assert bob.receive()["code"] == "unauthorized"
        alice.vanish()
    with Client(watched, "/") as nobody:
        nobody.send(type="join", remoteId="alice")
        assert nobody.receive()["code"] == "unauthorized"
    assert heard(watched, since) == []


def test_it_hears_once_of_each_hook_and_each_receiver_that_fails(watched: Server):
    since = len(watched.log)
    with Client(watched, "/?user=alice") as alice:
        alice.send(type="join", remoteId="trouble")
        assert alice.receive()["code"] == "unavailable"
        assert alice.closed()[0] == 1013
    assert heard(watched, since) == ["RuntimeError('the database is away')"]
    since = len(watched.log)
    with Client(watched, "/?user=alice") as alice:
        assert alice.join("alice", "nobody")[0]["type"] == "created"
        watched.wait_for_log("SENTRY RuntimeError.'no phone'", since)
    assert heard(watched, since) == ["RuntimeError('no phone')"]
