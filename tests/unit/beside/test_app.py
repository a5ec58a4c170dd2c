"""An app that runs beside the service, without a server: its routes, its methods, and a service that misbehaves."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from flask import Flask, redirect, session
from flask_wtf import CSRFProtect

from signaling import Call, CallNotAllowedError, Signaling, Unavailable, call_ended, call_waiting, owns_request
from signaling.beside.service import BesideService
from signaling.config.env import SettingsError
from signaling.config.service_secret import derive
from signaling.config.settings import Settings
from signaling.rooms.signature import signed
from signaling.security.jwt import JwtVerifier
from signaling.testing import SignalingClient
from signaling.web.tags import signaling_tags

SECRET = "one secret for the app and the service beside it"
WAITING = b'{"type":"user.waiting","data":{"userId":"alice","remoteId":7}}'
CALL = {
    "id": "c1",
    "users": ["alice", "bob"],
    "startedAt": "1970-01-01T00:00:10.500Z",
    "connectedAt": None,
    "path": None,
}


class Service(ThreadingHTTPServer):
    """It answers each request with `answers` in turn, and remembers the requests. None is no answer but an end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.answers: list[tuple[int, Any] | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/call"


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        assert self.headers["Authorization"] == f"Bearer {derive(SECRET, 'api')}"
        self.server.requests.append(f"{self.command} {self.path}")
        given = self.server.answers.pop(0)
        if given is None:
            self.close_connection = True
            return
        status, content = given
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def make_app(signaling: Signaling, url: str = "http://127.0.0.1:9", **settings: Any) -> Flask:
    app = Flask(__name__)
    app.secret_key = "sessions"
    app.config.update({"SIGNALING_SERVICE_URL": url, "SIGNALING_SERVICE_SECRET": SECRET} | settings)
    signaling.init_app(app)

    @app.post("/login/<user>")
    def login(user: str) -> str:
        session["user"] = user
        return ""

    return app


@pytest.fixture
def signaling() -> Signaling:
    signaling = Signaling()
    signaling.user_loader(lambda: session.get("user"))
    signaling.authorizer(lambda user, peer: peer != "eve")
    return signaling


@pytest.fixture
def app(signaling: Signaling, service: Service) -> Flask:
    return make_app(signaling, service.url)


def deliver(app: Flask, body: bytes = WAITING, message: str = "msg_1", key: str = "webhook") -> int:
    headers = signed([derive(SECRET, key).encode()], message, int(time.time()), body)
    return app.test_client().post("/signaling/events", data=body, headers=headers).status_code


def test_the_app_needs_neither_gevent_nor_flask_sock():
    code = f"""
import sys
from flask import Flask
from signaling import Signaling, Unavailable
app = Flask("shop")
app.config.update(SIGNALING_SERVICE_URL="http://127.0.0.1:9", SIGNALING_SERVICE_SECRET={SECRET!r})
signaling = Signaling(app)
with app.app_context():
    signaling.token("alice", "bob")
    try:
        signaling.calls()
    except Unavailable:
        pass
app.test_client().post("/signaling/events")
found = [name for name in ("gevent", "flask_sock") if name in sys.modules]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_secret_the_app_does_not_start():
    with pytest.raises(SettingsError, match="SIGNALING_SERVICE_SECRET is not set"):
        make_app(Signaling(), SIGNALING_SERVICE_SECRET="")
    with pytest.raises(SettingsError, match="32 bytes or more"):
        make_app(Signaling(), SIGNALING_SERVICE_SECRET="short")
    with pytest.raises(SettingsError, match=r"SIGNALING_SERVICE_URL: .* has no scheme; write https://call"):
        make_app(Signaling(), "call.example.org")


def test_the_service_derives_the_same_secrets_unless_it_has_its_own():
    service = Settings.load({"SIGNALING_SERVICE_SECRET": SECRET, "SIGNALING_WEBHOOK_URL": "https://app.example.org/e"})
    beside = BesideService(Settings.load({"SIGNALING_SERVICE_SECRET": SECRET}), "https://call.example.org/")
    assert (service.webhook_secret.encode(),) == beside.webhook_keys
    assert (service.api_token, service.jwt_key) == (beside.settings.api_token, beside.settings.jwt_key)
    secrets = {service.webhook_secret, service.api_token, service.jwt_key, SECRET}
    assert len(secrets) == 4
    assert not any(secret in repr(service) for secret in secrets)
    assert beside.websocket_url == "wss://call.example.org/ws"
    explicit = {"SIGNALING_API_TOKEN": "token", "SIGNALING_JWT_KEY": "x" * 40, "SIGNALING_WEBHOOK_SECRET": "y" * 40}
    explicit["SIGNALING_WEBHOOK_URL"] = "https://app.example.org/e"
    assert BesideService(Settings.load(explicit), "http://10.0.0.1").webhook_keys == (b"y" * 40,)
    assert BesideService(beside.settings, "http://10.0.0.1", "/call/").websocket_url == "/call/ws"
    assert BesideService(beside.settings, "http://10.0.0.1", "http://a.b").websocket_url == "ws://a.b/ws"
    own = Settings.load({"SIGNALING_SERVICE_SECRET": SECRET, "SIGNALING_JWT_KEY": "x" * 40})
    assert (own.jwt_key, own.api_token) == ("x" * 40, service.api_token)
    # Without a URL there is no webhook, so nothing needs its secret.
    assert own.webhook_secret == ""


def test_a_token_of_the_app_is_one_for_the_service(app: Flask, signaling: Signaling):
    settings = {"SIGNALING_SERVICE_SECRET": SECRET, "SIGNALING_JWT_AUDIENCE": "calls", "SIGNALING_JWT_ISSUER": "shop"}
    with make_app(signaling, **settings).app_context():
        token = signaling.token("alice", ["bob", 7], ttl=60)
    claims = JwtVerifier(Settings.load(settings)).verify(token)
    assert (claims["sub"], claims["peer"], claims["aud"], claims["iss"]) == ("alice", ["bob", "7"], "calls", "shop")
    assert claims["exp"] - claims["iat"] == 60


def test_the_authorizer_decides_about_each_token(app: Flask, signaling: Signaling):
    with app.app_context():
        assert signaling.token("alice", "bob")
        with pytest.raises(CallNotAllowedError, match="'alice' to call 'eve'"):
            signaling.token("alice", ["bob", "eve"])
        # The service asks nobody at the join, so a token for everybody would pass by the authorizer.
        with pytest.raises(ValueError, match="give token"):
            signaling.token("alice")
        with pytest.raises(ValueError, match="must not be empty"):
            signaling.token("alice", [])


def test_an_async_authorizer_is_awaited_and_a_coroutine_allows_nothing(app: Flask, signaling: Signaling):
    class Answer:
        def __await__(self) -> Any:
            raise AssertionError

    signaling.authorizer(lambda user, peer: Answer())
    with app.app_context(), pytest.raises(PermissionError):
        signaling.token("alice", "bob")


def test_a_page_gets_a_token_for_its_logged_in_user_only(app: Flask):
    browser = app.test_client()
    ask = {"json": {"peer": "bob"}, "headers": {"Origin": "http://localhost"}}
    assert browser.post("/signaling/token", **ask).status_code == 401
    browser.post("/login/alice")
    response = browser.post("/signaling/token", **ask)
    assert (response.status_code, response.json["expiresIn"], response.headers["Cache-Control"]) == (
        200,
        300,
        "no-store",
    )
    claims = jwt.decode(response.json["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["peer"]) == ("alice", ["bob"])


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (403, {"json": {"peer": "bob"}, "headers": {"Origin": "https://evil.example"}}),
        (403, {"json": {"peer": "bob"}, "headers": {"Origin": "null"}}),
        (403, {"json": {"peer": "eve"}}),
        (400, {"json": {}}),
        (400, {"json": {"peer": ""}}),
        (400, {"json": {"peer": "x" * 129}}),
        (400, {"data": b"{", "content_type": "application/json"}),
        # A form of another site sends one of these types without asking first.
        (415, {"data": b'{"peer":"bob"}', "content_type": "text/plain"}),
        (415, {"data": {"peer": "bob"}}),
        (413, {"json": {"peer": "bob", "more": "x" * 5_000}}),
    ],
)
def test_another_request_gets_no_token(app: Flask, status: int, request_: dict[str, Any]):
    browser = app.test_client()
    browser.post("/login/alice")
    response = browser.post("/signaling/token", **request_)
    assert response.status_code == status
    assert b"eyJ" not in response.data


def test_the_webhook_of_the_service_is_a_signal_and_each_message_counts_once(app: Flask):
    heard: list[Any] = []

    def hear(sender: Flask, user: str, peer: str) -> None:
        heard.append((sender, user, peer))

    with call_waiting.connected_to(hear, app):
        assert [deliver(app), deliver(app), deliver(app, message="msg_2")] == [204] * 3
    assert heard == [(app, "alice", "7")] * 2


def test_a_receiver_that_fails_makes_the_service_send_again(app: Flask):
    heard: list[str] = []

    def hear(_: Flask, call: Call) -> None:
        heard.append(call.id)
        if len(heard) == 1:
            raise RuntimeError

    body = b'{"type":"call.ended","data":{"callId":"c1","users":["a","b"],"startedAt":"1970-01-01T00:00:10Z"}}'
    with call_ended.connected_to(hear, app):
        assert [deliver(app, body) for _ in range(3)] == [500, 204, 204]
    assert heard == ["c1", "c1"]


def test_other_messages_are_refused_and_are_no_signal(app: Flask):
    with call_waiting.connected_to(lambda *_, **__: pytest.fail("a signal"), app):
        assert deliver(app, key="jwt") == 401
        assert deliver(app, b'{"type":"call.started","data":{}}') == 400
        assert deliver(app, b'{"type":"of.tomorrow","data":{}}') == 204
        assert deliver(app, b" " * 70_000 + WAITING) == 413
        assert app.test_client().get("/signaling/events").status_code == 405


def test_a_login_wall_and_csrf_leave_the_webhook_alone(signaling: Signaling):
    app = Flask(__name__)
    app.secret_key = "sessions"
    app.config.update(SIGNALING_SERVICE_URL="http://127.0.0.1:9", SIGNALING_SERVICE_SECRET=SECRET)
    # Both before the extension, which comes first all the same.
    app.before_request(lambda: redirect("/login"))
    CSRFProtect(app)
    signaling.init_app(app)
    assert deliver(app) == 204
    assert app.test_client().get("/other").status_code == 302


def test_csrf_leaves_the_tokens_of_pages_alone(signaling: Signaling):
    app = make_app(signaling)
    CSRFProtect(app).exempt("tests.unit.beside.test_app.login")
    browser = app.test_client()
    with browser.session_transaction() as stored:
        stored["user"] = "alice"
    assert browser.post("/signaling/token", json={"peer": "bob"}).status_code == 200


def test_the_methods_ask_the_service(app: Flask, signaling: Signaling, service: Service):
    service.answers = [
        (200, {"calls": [CALL], "partial": True}),
        (200, {"waiting": [{"user": "alice", "peer": "bob", "since": "1970-01-01T00:00:01.000Z"}], "partial": False}),
        (200, {"closed": 2, "missing": []}),
        (404, {"status": 404, "detail": "No call with this id goes on."}),
        (200, {"closed": 3, "missing": []}),
        (200, {"closed": 3, "missing": ["host:7"]}),
    ]
    with app.app_context():
        calls = signaling.calls("a/ü")
        assert (calls, calls.partial) == ([Call(id="c1", users=("alice", "bob"), started_at=10.5)], True)
        [wait] = signaling.waiting(peer=7)
        assert (wait.user, wait.peer, wait.since) == ("alice", "bob", 1.0)
        assert signaling.end("c1", "The hour is over") is True
        assert signaling.end("c2") is False
        assert signaling.disconnect("../x", bar_seconds=1.5, reason="Logged out") == 3
        with pytest.raises(Unavailable, match="No answer from host:7"):
            signaling.disconnect("x")
    assert service.requests == [
        "GET /call/api/calls?user=a%2F%C3%BC",
        "GET /call/api/waiting?peer=7",
        "DELETE /call/api/calls/c1?reason=The+hour+is+over",
        "DELETE /call/api/calls/c2",
        "DELETE /call/api/users/%2E%2E%2Fx/connections?bar=1.500000&reason=Logged+out",
        "DELETE /call/api/users/x/connections",
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((401, {"status": 401, "detail": "A token is needed."}), "SIGNALING_SERVICE_SECRET must be the same"),
        ((503, {"status": 503, "detail": "Redis cannot be reached."}), "Redis cannot be reached."),
        ((302, b""), "answer is none of this API"),
        ((200, b"<html>"), "answer is none of this API"),
        ((200, {"calls": [CALL | {"users": ["alice"]}], "partial": False}), "answer is none of this API"),
    ],
)
def test_a_service_that_does_not_do_it_is_unavailable(
    app: Flask, signaling: Signaling, service: Service, answer: tuple[int, Any], why: str
):
    service.answers = [answer]
    with app.app_context(), pytest.raises(Unavailable, match=why):
        signaling.calls()
    # No redirect is followed, which would take the token along.
    assert len(service.requests) == 1


def test_a_value_that_the_service_refuses_is_a_value_error(app: Flask, signaling: Signaling, service: Service):
    service.answers = [(400, {"status": 400, "detail": "bar must be a number of seconds."})]
    with app.app_context(), pytest.raises(ValueError, match="bar must be"):
        signaling.disconnect("alice", bar_seconds=-1)


def test_a_connection_that_the_service_has_closed_is_opened_again_once(
    app: Flask, signaling: Signaling, service: Service
):
    service.answers = [None, (200, {"calls": [], "partial": False}), None, None]
    with app.app_context():
        assert signaling.calls() == []
        with pytest.raises(Unavailable):
            signaling.calls()
    assert len(service.requests) == 4


def test_a_service_that_is_silent_is_unavailable(
    app: Flask, signaling: Signaling, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("signaling.beside.client.ANSWER_TIMEOUT", 0.05)
    done = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda _: done.wait())
    with make_app(signaling, service.url).app_context(), pytest.raises(Unavailable, match="timed out"):
        signaling.calls()
    done.set()


def test_the_tags_name_the_service_and_where_tokens_are(app: Flask, service: Service):
    with app.test_request_context():
        tags = str(signaling_tags(token="abc"))
    websocket = service.url.replace("http", "ws")
    assert f'"url": "{websocket}/ws", "prefix": "/signaling", "tokenUrl": "/signaling/token", "token": "abc"' in tags
    with app.test_client().get("/signaling/static/client.js") as client:
        assert client.status_code == 200
    # The app has no page, no WebSocket and no operator's page.
    for path in (
        "/signaling/",
        "/signaling/ws",
        "/signaling/ops",
        "/signaling/healthz",
        "/signaling/static/ops/ops.css",
    ):
        assert app.test_client().get(path).status_code == 404


def test_the_client_for_tests_says_that_there_are_no_rooms(app: Flask):
    with pytest.raises(RuntimeError, match="leave SIGNALING_SERVICE_URL empty"):
        SignalingClient(app)


def test_two_instances_may_have_a_service_each(service: Service):
    app = Flask(__name__)
    app.config.update(SIGNALING_OPEN=True, SIGNALING_SERVICE_SECRET=SECRET, SUPPORT_SIGNALING_SERVICE_URL=service.url)
    embedded, support = Signaling(app, url_prefix="/call"), Signaling(app, name="support")
    service.answers = [(200, {"calls": [CALL], "partial": False})]
    with app.app_context():
        assert embedded.calls() == []
        assert [call.id for call in support.calls()] == ["c1"]
    assert app.test_client().post("/support/events").status_code == 401
    with app.test_request_context():
        assert '"tokenUrl": "/support/token"' in str(signaling_tags("support"))


def test_a_secret_that_is_set_too_late_stops_the_app(signaling: Signaling, caplog: pytest.LogCaptureFixture):
    app = make_app(signaling)
    app.config["SIGNALING_SERVICE_SECRET"] = "another secret of thirty-two bytes"
    assert deliver(app) == 503
    assert app.test_client().post("/signaling/token", json={"peer": "bob"}).status_code == 503
    assert "SIGNALING_SERVICE_SECRET came after init_app" in caplog.text


def test_a_login_may_leave_the_routes_to_the_extension(signaling: Signaling):
    app = make_app(signaling)
    app.before_request(lambda: None if owns_request(page=False) else redirect("/login"))
    assert app.test_client().post("/signaling/token", json={"peer": "bob"}).status_code == 401
    assert app.test_client().get("/other").status_code == 302


def test_while_the_secret_changes_the_app_accepts_messages_of_both(service: Service):
    """Whichever of the two, the service or the app, has changed first."""
    for first, second in ((SECRET, "x" * 40), ("x" * 40, SECRET)):
        app = make_app(
            Signaling(), service.url, SIGNALING_SERVICE_SECRET=first, SIGNALING_SERVICE_SECRET_FALLBACK=second
        )
        assert deliver(app) == 204
        assert deliver(app, message="msg_2", key="another") == 401
