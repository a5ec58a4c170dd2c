"""The fast path of the service alone beside the way of Flask: the same answers, connections and counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent.socket
import pytest
from flask import Flask, Response, request, request_started
from hypothesis import given
from hypothesis import strategies as st

from signaling import create_app
from signaling.node import sole_worker
from signaling.node.gate import SPLIT
from signaling.node.handler import Handler
from signaling.node.node import Node
from signaling.transport.client_socket import ClientSocket
from signaling.web.handshake_middleware import HandshakeMiddleware

Answer = tuple[str, dict[str, str], Any]

ORDINARY = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "RAW_URI": "/",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "192.0.2.7",
    "REMOTE_PORT": "54321",
    "SERVER_NAME": "192.0.2.1",
    "SERVER_PORT": "8443",
    "HTTP_HOST": "signaling.example.org:8443",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "wsgi.url_scheme": "https",
    "wsgi.multiprocess": False,
    "wsgi.version": (1, 0),
}


def at(target: str) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {"RAW_URI": target, "PATH_INFO": path, "QUERY_STRING": query}


# Each differs from the ordinary handshake; None takes a header away.
CHANGES: list[dict[str, Any]] = [
    *map(at, ("/ws", "/?room=1", "/ws?", "/ws/", "//", "/metrics", "/static/client.js", "/x", "/calls/", "/calls/ws")),
    *({"RAW_URI": target} for target in ("/%2e", "//", "http://signaling.example.org/", "/ws")),
    {"SCRIPT_NAME": "/app", "RAW_URI": "/app/"},
    {"SCRIPT_NAME": "/app"},
    *({"HTTP_ORIGIN": origin} for origin in ("https://signaling.example.org:8443", "https://evil.example", "null", "")),
    *(
        {"HTTP_HOST": host}
        for host in (
            None,
            "",
            "signaling.example.org",
            "a b",
            "[::1]:8443",
            "é",
            "a" * 64,
            "a.b.c.d.e",
            "a..b",
            ".",
            "A.b",
            "[:",
            "a:99999",
        )
    ),
    *({"HTTP_X_FORWARDED_FOR": value} for value in ("198.51.100.9", "198.51.100.9, 192.0.2.7", "nobody", "")),
    *({"REMOTE_ADDR": address} for address in ("::1", "::ffff:192.0.2.7", "127.0.0.1", "")),
    *({"REQUEST_METHOD": method} for method in ("POST", "HEAD", "OPTIONS")),
    *({"HTTP_CONNECTION": value} for value in (None, "upgrade", "keep-alive, Upgrade", "close")),
    *({"HTTP_UPGRADE": value} for value in (None, "WebSocket", "h2c")),
    *({"HTTP_SEC_WEBSOCKET_KEY": value} for value in (None, "x")),
    *({"HTTP_SEC_WEBSOCKET_VERSION": value} for value in (None, "8")),
    {"HTTP_SEC_WEBSOCKET_PROTOCOL": "chat"},
    {"CONTENT_LENGTH": "5"},
    {"wsgi.url_scheme": "http", "HTTP_HOST": "signaling.example.org:80"},
    {"wsgi.multiprocess": True},
]

SETTINGS: list[dict[str, str]] = [
    {},
    {"ALLOWED_ORIGINS": "https://other.example"},
    {"ALLOWED_ORIGINS": "https://*.example", "ALLOW_MISSING_ORIGIN": "0"},
    {"TRUSTED_PROXIES": "192.0.2.0/24", "CONNECTIONS_PER_IP": "1"},
    {"CONNECTION_RATE": "0.0001", "CONNECTION_BURST": "2"},
    {"MAX_CONNECTIONS": "1"},
    {"OPEN": "0"},
    {"URL_PREFIX": "/calls"},
]

MakeApp = Callable[..., Flask]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    def make(**settings: str) -> Flask:
        for name, value in settings.items():
            monkeypatch.setenv(f"SIGNALING_{name}", value)
        return create_app()

    return make


@pytest.fixture
def client() -> Iterator[ClientSocket]:
    sock = ClientSocket(gevent.socket.AF_INET, gevent.socket.SOCK_STREAM)
    yield sock
    sock.close()


def environ(client: ClientSocket, *changes: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = dict(ORDINARY)
    for change in changes:
        made |= change
    client.bounds = SimpleNamespace(handler=None, requests=1, without_app=False)  # type: ignore[assignment]
    return {name: value for name, value in made.items() if value is not None} | {"gunicorn.socket": client}


def answer(wsgi: Any, asked: dict[str, Any]) -> Answer:
    """The status, the headers, and whose connection begins."""
    got: list[Any] = []
    body = wsgi(asked, lambda status, headers, exc_info=None: got.append((status, dict(headers))))
    text = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    status, headers = got[-1]
    handler: Handler | None = asked["gunicorn.socket"].bounds.handler
    whose = text if handler is None else (handler.address, handler.identity.user, str(handler.identity.refusal))
    return status, headers, whose


def node_of(made: Flask) -> Node:
    node: Node = made.extensions["signaling"]
    return node


def goes_fast(made: Flask, asked: dict[str, Any]) -> bool:
    fast: Any = made.wsgi_app
    return fast._accept(asked) is not None


def counts(made: Flask) -> Any:
    node = node_of(made)
    return +node.stats.refused, node.gate.limiter._attempts.keys(), len(node.gate.limiter)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_both_ways_give_the_same_answers(app: MakeApp, client: ClientSocket, settings: dict[str, str]):
    fast, slow = app(**settings), app(**settings)
    slow_way: Any = slow.wsgi_app
    assert isinstance(fast.wsgi_app, HandshakeMiddleware)
    steps = [(), *((change,) for change in CHANGES), *itertools.combinations(CHANGES, 2)]
    for step in steps:
        ours = answer(fast, environ(client, *step))
        theirs = answer(slow_way._flask, environ(client, *step))
        assert ours == theirs, step
        assert counts(fast) == counts(slow), step


@given(st.data())
def test_both_ways_agree_whatever_happens_in_between(data: st.DataObject):
    """Connections come and go, and the server drains."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"CONNECTIONS_PER_IP": "2", "MAX_CONNECTIONS": "4", "CONNECTION_RATE": "0.0001"}.items():
            patch.setenv(f"SIGNALING_{name}", value)
        patch.setenv("SIGNALING_CONNECTION_BURST", "6")
        apps = create_app(), create_app()
    slow_way: Any = apps[1].wsgi_app
    wsgi = apps[0], slow_way._flask
    addresses = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"])
    opened: list[str] = []
    with ClientSocket(gevent.socket.AF_INET, gevent.socket.SOCK_STREAM) as sock:
        for _ in range(data.draw(st.integers(1, 25))):
            match data.draw(st.sampled_from(["ask", "ask", "ask", "end", "drain"])):
                case "ask":
                    address = data.draw(addresses)
                    answers = [answer(each, environ(sock, {"REMOTE_ADDR": address})) for each in wsgi]
                    assert answers[0] == answers[1]
                    if answers[0][0].startswith("101"):
                        opened.append(address)
                        for made in apps:
                            node_of(made).gate.limiter.add(address)
                            node_of(made).connections._open[object()] = 0.0  # type: ignore[index]
                case "end" if opened:
                    address = opened.pop()
                    for made in apps:
                        node_of(made).gate.limiter.discard(address)
                        node_of(made).connections._open.popitem()
                case "drain":
                    draining = data.draw(st.booleans())
                    for made in apps:
                        node_of(made).connections.draining = draining
            assert counts(apps[0]) == counts(apps[1])


@pytest.mark.parametrize("path", ["/", "/ws"])
def test_an_ordinary_handshake_needs_no_flask(app: MakeApp, client: ClientSocket, path: str):
    made = app()
    assert goes_fast(made, environ(client, at(path)))
    assert goes_fast(app(URL_PREFIX="/calls"), environ(client, at(f"/calls{path}")))


def test_workers_that_share_rooms_need_no_flask_either(app: MakeApp, client: ClientSocket):
    made = app(REDIS_URL="redis://127.0.0.1:1/0", REDIS_PREFIX="handshakes")
    assert goes_fast(made, environ(client, {"wsgi.multiprocess": True}))


def test_a_worker_without_the_rooms_of_the_others_counts_each_refusal_once(
    app: MakeApp, client: ClientSocket, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sole_worker, "is_sole", lambda: False)
    made = app()
    warned: list[str] = []
    monkeypatch.setattr(node_of(made).gate, "_log", SimpleNamespace(warning=warned.append))
    assert answer(made, environ(client))[0].startswith("503")
    assert warned == [SPLIT]


def test_another_server_gets_an_answer_that_lasts(app: MakeApp, client: ClientSocket):
    """gunicorn's own gevent worker has sockets without bounds."""
    made = app()
    asked = environ(client)
    client.bounds = None
    assert not goes_fast(made, asked)


def add_before_request(made: Flask, seen: list[str]) -> None:
    made.before_request(lambda: seen.append("before"))


def add_after_request(made: Flask, seen: list[str]) -> None:
    @made.after_request
    def after(response: Response) -> Response:
        seen.append("after")
        return response


def add_teardown_request(made: Flask, seen: list[str]) -> None:
    made.teardown_request(lambda error: seen.append("teardown"))


def add_teardown_appcontext(made: Flask, seen: list[str]) -> None:
    made.teardown_appcontext(lambda error: seen.append("appcontext"))


def add_url_value_preprocessor(made: Flask, seen: list[str]) -> None:
    made.url_value_preprocessor(lambda endpoint, values: seen.append("preprocessor"))


@pytest.mark.parametrize(
    "add",
    [add_before_request, add_after_request, add_teardown_request, add_teardown_appcontext, add_url_value_preprocessor],
)
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_function_that_somebody_adds_to_the_app_sees_each_handshake(
    app: MakeApp, client: ClientSocket, add: Callable[[Flask, list[str]], None], earlier: int
):
    made = app()
    for _ in range(earlier):
        assert answer(made, environ(client))[0].startswith("101")
    seen: list[str] = []
    add(made, seen)
    for _ in range(2):
        assert answer(made, environ(client))[0].startswith("101")
    assert len(seen) == 2


def test_a_refusal_of_such_a_function_holds(app: MakeApp, client: ClientSocket):
    made = app()

    @made.before_request
    def refuse() -> tuple[str, int]:
        return request.path, 403

    status, _, body = answer(made, environ(client))
    assert (status, body) == ("403 FORBIDDEN", b"/")


def test_a_receiver_of_flasks_signals_sees_each_handshake(app: MakeApp, client: ClientSocket):
    made = app()
    seen: list[Any] = []
    with request_started.connected_to(lambda sender, **_: seen.append(sender), made):
        answer(made, environ(client))
    answer(made, environ(client))
    assert seen == [made]


def test_trusted_hosts_of_flask_hold(app: MakeApp, client: ClientSocket):
    made = app()
    made.config["TRUSTED_HOSTS"] = ["signaling.example.org"]
    assert answer(made, environ(client))[0].startswith("101")
    assert answer(made, environ(client, {"HTTP_HOST": "evil.example"}))[0].startswith("400")


def test_middleware_around_the_app_sees_each_handshake(app: MakeApp, client: ClientSocket):
    made = app()
    inner, seen = made.wsgi_app, []

    def middleware(asked: Any, start_response: Any) -> Any:
        seen.append(asked["PATH_INFO"])
        return inner(asked, start_response)

    made.wsgi_app = middleware  # type: ignore[method-assign]
    assert answer(made, environ(client))[0].startswith("101")
    assert seen == ["/"]
    assert not client.bounds.without_app, "it has run in the greenlet"


@pytest.mark.parametrize("requests", [1, 2])
def test_no_code_of_an_app_has_run_where_there_was_no_request_before(app: MakeApp, client: ClientSocket, requests: int):
    asked = environ(client)
    client.bounds.requests = requests
    assert answer(app(), asked)[0].startswith("101")
    assert client.bounds.without_app is (requests == 1)


def test_a_function_of_the_app_counts_as_its_code(app: MakeApp, client: ClientSocket):
    made = app()
    made.before_request(lambda: None)
    assert answer(made, environ(client))[0].startswith("101")
    assert not client.bounds.without_app
