"""The HTTP API, in an app without a server: its routes, its errors, and the document that describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from signaling import Signaling, Unavailable
from signaling.node.node import Node
from signaling.testing import SignalingClient
from signaling.web import api
from signaling.web.api import Api

TOKEN = "the token of the API"
DOCUMENT = api.document()


class Asker:
    """A client of the API. It holds every answer against the document."""

    def __init__(self, app: Flask, prefix: str = "") -> None:
        self.client: FlaskClient = app.test_client()
        self.prefix = prefix
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, method: str, path: str, token: str | None = TOKEN, **more: Any) -> TestResponse:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        response = self.client.open(f"{self.prefix}{path}", method=method, headers=headers, **more)
        described = operation(method, path.partition("?")[0])
        if described is not None:
            name, responses = described
            assert str(response.status_code) in responses
            check(response, responses[str(response.status_code)])
            self.seen.add((*name, response.status_code))
        return response

    def json(self, method: str, path: str, **more: Any) -> Any:
        response = self(method, path, **more)
        assert response.status_code == 200, response.text
        return response.json


def resolved(item: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in item:
        found: Any = DOCUMENT
        for part in item["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found
    return item


def operation(method: str, path: str) -> tuple[tuple[str, str], dict[str, Any]] | None:
    """The operation of the document that describes a request, for a wrong method any of its path."""
    for pattern, operations in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            name = method.lower() if method.lower() in operations else next(iter(operations))
            return (pattern, name), operations[name]["responses"]
    return None


def check(response: TestResponse, described: dict[str, Any]) -> None:
    described = resolved(described)
    [(kind, content)] = described["content"].items()
    assert response.content_type == kind
    assert response.headers["Cache-Control"] == "no-store"
    for name in described.get("headers", {}):
        assert name in response.headers
    if response.data:
        assert wrong(json.loads(response.data), content["schema"]) == []
        if kind == "application/problem+json":
            assert json.loads(response.data)["status"] == response.status_code


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def wrong(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """What of a value is not as a JSON Schema has it, for the words of the document."""
    schema = resolved(schema)
    known = {"type", "description", "required", "additionalProperties", "properties", "items", "enum", "format"}
    assert schema.keys() <= known | {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "default"}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if value is None:
        return [] if "null" in types else [f"{place} is null"]
    kinds = tuple(TYPES[name] for name in types if name != "null")
    if not any(isinstance(value, kind) for kind in kinds) or (isinstance(value, bool) and "boolean" not in types):
        return [f"{place} is {value!r}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place} is {value!r}")
    if schema.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        found.append(f"{place} is {value!r}")
    if isinstance(value, dict) and "properties" in schema:
        properties = schema["properties"]
        found += [f"{place}.{name} is missing" for name in schema["required"] if name not in value]
        found += [f"{place}.{name} is unknown" for name in value if name not in properties]
        for name in value.keys() & properties.keys():
            found += wrong(value[name], properties[name], f"{place}.{name}")
    if isinstance(value, list):
        found += [each for at, item in enumerate(value) for each in wrong(item, schema["items"], f"{place}[{at}]")]
    size = value if isinstance(value, int | float) else len(value)
    for low, high in (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum")):
        if not schema.get(low, size) <= size <= schema.get(high, size):
            found.append(f"{place} has the size {size}")
    return found


def make_app(prefix: str = "", **settings: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({"SIGNALING_OPEN": True, "SIGNALING_API_TOKEN": TOKEN} | settings)
    Signaling(app, url_prefix=prefix or None)
    return app


@pytest.fixture
def app() -> Flask:
    return make_app()


@pytest.fixture
def ask(app: Flask) -> Asker:
    return Asker(app)


@pytest.fixture
def call(app: Flask) -> Iterator[tuple[SignalingClient, SignalingClient]]:
    with SignalingClient(app) as alice, SignalingClient(app) as bob:
        alice.join("bob", "alice")
        bob.join("alice", "bob")
        yield alice, bob


def test_without_a_token_there_is_no_api():
    app = make_app(SIGNALING_API_TOKEN="")
    assert app.test_client().get("/api/openapi.json").status_code == 404
    assert app.test_client().get("/api/calls", headers={"Authorization": "Bearer "}).status_code == 404


def test_calls_and_those_who_wait(app: Flask, ask: Asker, call: tuple[SignalingClient, SignalingClient]):
    with SignalingClient(app) as carol:
        carol.join("dave", "carol")
        [found] = ask.json("GET", "/api/calls")["calls"]
        assert found["users"] == ["alice", "bob"]
        assert ask.json("GET", f"/api/calls/{found['id']}") == found
        assert ask.json("GET", "/api/calls?user=bob")["calls"] == [found]
        assert ask.json("GET", "/api/calls?user=carol") == {"calls": [], "partial": False}
        [waiting] = ask.json("GET", "/api/waiting")["waiting"]
        assert (waiting["user"], waiting["peer"]) == ("carol", "dave")
        assert ask.json("GET", "/api/waiting?user=carol&peer=dave")["waiting"] == [waiting]
        assert ask.json("GET", "/api/waiting?user=dave")["waiting"] == []
        assert ask.json("GET", "/api/waiting?peer=carol")["waiting"] == []
        user = {"id": "carol", "connections": 1, "waiting": [waiting], "calls": [], "partial": False, "missing": []}
        assert ask.json("GET", "/api/users/carol") == user
        assert ask.json("GET", "/api/users/alice")["calls"] == [found]


def test_a_call_is_ended_with_a_reason(ask: Asker, call: tuple[SignalingClient, SignalingClient]):
    [found] = ask.json("GET", "/api/calls")["calls"]
    path = f"/api/calls/{found['id']}"
    assert ask.json("DELETE", f"{path}?reason=The+hour+is+over") == {"closed": 2, "missing": []}
    for client in call:
        assert client.receive("error")["message"] == "The hour is over"
        assert client.close_code == 4004
    assert ask("DELETE", path).status_code == ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    "user", ["alice", "a/b", "/", "a//b/", "/connections", "a%2Fb", "ü €", "a?b#c", "..", "\n\0", "x" * 128]
)
def test_a_user_of_any_name_is_disconnected_and_barred(app: Flask, ask: Asker, user: str):
    path = f"/api/users/{quote(user, safe='').replace('.', '%2E')}"
    with SignalingClient(app) as alice, SignalingClient(app) as again:
        alice.join("bob", user)
        assert ask.json("GET", path)["id"] == user
        assert ask.json("GET", path)["connections"] == 1
        assert ask.json("DELETE", f"{path}/connections?bar=60") == {"closed": 1, "missing": []}
        assert alice.close_code == 4004
        assert again.join("bob", user)["code"] == "unauthorized"
        assert ask.json("GET", path)["waiting"] == []


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("GET", "/api/calls?usr=alice", "unknown parameter; known here: user"),
        ("GET", "/api/calls?user=", "user must have 1 to 128 characters"),
        ("GET", "/api/calls?user=a&user=b", "user is there 2 times"),
        ("GET", f"/api/waiting?peer={'x' * 129}", "peer must have 1 to 128 characters"),
        ("GET", "/api/users/alice?bar=1", "this path has none"),
        ("GET", f"/api/users/{'x' * 129}", "1 to 128 characters"),
        ("GET", "/api/users/%FF", "percent-encoded UTF-8"),
        ("DELETE", "/api/users/alice/connections?ban=60", "unknown parameter"),
        ("DELETE", "/api/users/alice/connections?bar=-1", "bar must be a number"),
        ("DELETE", "/api/users/alice/connections?bar=nan", "bar must be a number"),
        ("DELETE", "/api/users/alice/connections?bar=31536001", "from 0 to 31536000"),
        ("DELETE", "/api/calls/1?reason=two%0Alines", "one line of at most 200"),
        ("DELETE", f"/api/calls/1?reason={'x' * 201}", "one line of at most 200"),
    ],
)
def test_a_wrong_value_is_a_problem(ask: Asker, method: str, path: str, word: str):
    response = ask(method, path)
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert word in response.json["detail"]


def test_a_wrong_value_does_nothing(app: Flask, ask: Asker):
    with SignalingClient(app) as alice:
        alice.join("bob", "alice")
        assert ask("DELETE", "/api/users/alice/connections?ban=60").status_code == 400
        assert ask("DELETE", "/api/users/alice/connections", json={"bar": 60}).status_code == 400
        assert alice.is_open


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nothing", "/api/calls/", "/api//calls", "/api/users/", "/api/users/a/b"]
)
def test_an_unknown_path_is_a_problem(ask: Asker, path: str):
    response = ask("GET", path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/%61pi/calls", "/api/%63alls", "/api/users/alice%2Fconnections/../x", "//api/calls"])
def test_only_the_id_of_a_user_may_be_written_in_another_way(ask: Asker, path: str):
    for method in ("GET", "DELETE"):
        # With two slashes, Flask itself redirects to the path that a proxy sees then.
        assert ask(method, path).status_code in (404, 308)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS"])
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(ask: Asker, method: str):
    assert ask(method, "/api/calls").headers["Allow"] == "GET, HEAD"
    assert ask(method, "/api/calls/1").headers["Allow"] == "DELETE, GET, HEAD"
    assert ask(method, "/api/users/alice/connections").status_code == 405
    assert ask("HEAD", "/api/calls").data == b""


def test_a_request_without_the_token_is_refused_and_guesses_are_limited(ask: Asker):
    for path in ("/api/calls", "/api/nothing"):
        response = ask("GET", path, token=None)
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    statuses = [ask("DELETE", "/api/users/alice/connections", token=f"guess {n}").status_code for n in range(11)]
    assert statuses == [401] * 10 + [429]
    assert ask("GET", "/api/calls").status_code == 200


def test_the_document_needs_no_token_and_names_the_prefix():
    ask = Asker(make_app("/call"), "/call")
    found = ask("GET", "/api/openapi.json", token=None).json
    assert found == DOCUMENT | {"servers": [{"url": "/call"}]}
    assert Asker(make_app()).json("GET", "/api/openapi.json") == DOCUMENT
    assert ask.json("GET", "/api/users/a%2Fb")["id"] == "a/b"


def test_the_document_has_every_route_and_no_other(app: Flask):
    node: Node = app.extensions["signaling"]
    routes = {f"/api/{'/'.join(route.path)}": set(route.handlers) for route in Api(node.control).routes}
    routes["/api/openapi.json"] = {"GET"}
    assert {path: {name.upper() for name in operations} for path, operations in DOCUMENT["paths"].items()} == routes


def test_the_document_has_every_parameter_and_no_other(ask: Asker):
    for path, operations in DOCUMENT["paths"].items():
        for method, described in operations.items():
            parameters = [resolved(each) for each in described.get("parameters", ())]
            in_path = {each["name"] for each in parameters if each["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            known = [each["name"] for each in parameters if each["in"] == "query"]
            if described.get("security") == []:
                continue
            detail = ask(method.upper(), f"{path.format(id='x')}?unknown=1").json["detail"]
            assert detail.endswith(f"known here: {', '.join(known)}." if known else "this path has none.")


def test_the_document_refers_only_to_what_it_has_and_uses_all_of_it():
    references = set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(DOCUMENT)))
    components = DOCUMENT["components"]
    own = {f"{kind}/{name}" for kind in ("parameters", "responses", "schemas") for name in components[kind]}
    assert references == own


class Down:
    """The control while Redis cannot be reached."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any) -> Any:
            raise Unavailable("Redis cannot be reached")

        return fail


def test_every_status_of_the_document_is_a_real_answer(
    app: Flask, ask: Asker, call: tuple[SignalingClient, SignalingClient], monkeypatch: pytest.MonkeyPatch
):
    [found] = ask.json("GET", "/api/calls")["calls"]
    wanted = {
        (path, method, int(status))
        for path, operations in DOCUMENT["paths"].items()
        for method, described in operations.items()
        for status in described["responses"]
    }
    node: Node = app.extensions["signaling"]
    operations = [
        (path.format(id="alice" if "users" in path else found["id"]), path.format(id="unknown"), method.upper())
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        if not path.endswith("/openapi.json")
    ]
    for path, unknown, method in operations:
        ask("POST", path)
        ask(method, f"{path}?unknown=1")
        ask(method, unknown)
        ask(method, path, token=None)
    with monkeypatch.context() as patch:
        patch.setattr(node.control, "_directory", Down(node))
        ask("GET", f"/api/calls/{found['id']}")
        ask("DELETE", f"/api/calls/{found['id']}")
        ask("DELETE", "/api/users/alice/connections?bar=1")
    for path, _, method in operations:
        ask(method, path)
    for _ in range(11):
        ask("GET", "/api/calls", token="guess")
    for path, _, method in operations:
        ask(method, path, token="guess")
    ask("GET", "/api/openapi.json")
    # A wrong method is described with each method of its path.
    missing = {each for each in wanted - ask.seen if each[2] != 405}
    assert missing == set()
