"""How a webhook is signed, what its settings must be, and how long it waits before it tries again."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import Any

import pytest

from signaling.config.settings import Settings, SettingsError
from signaling.config.values import signing_key
from signaling.protocol.messages import Pair
from signaling.rooms import webhook
from signaling.rooms.events import Call, Event, EventType
from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.signature import signed
from signaling.rooms.webhook import Webhook, body_of
from tests.unit.people import until


def test_it_signs_as_the_libraries_of_standard_webhooks_do():
    """Their own example."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_is_base64_behind_its_prefix_and_any_text_without():
    assert signing_key("whsec_" + base64.b64encode(b"north").decode()) == b"north"
    assert signing_key("north") == b"north"
    assert signing_key("bm9ydGg=") == b"bm9ydGg="


def test_the_receiver_of_the_documentation_takes_what_is_signed_and_nothing_else(monkeypatch, capsys):
    document = Path(__file__).parents[3] / "docs" / "webhook.md"
    found = re.search(r"```python\n(.*?)```", document.read_text(), re.DOTALL)
    assert found
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("SIGNALING_WEBHOOK_SECRET", secret)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(found[1], str(document), "exec"), names)
    client = names["app"].test_client()
    body = b'{"type":"user.waiting","data":{"room":"room_alice_bob","userId":"alice","remoteId":"bob"}}'
    now = int(time.time())

    def answer(headers: dict[str, str], data: bytes = body) -> int:
        return client.post("/signaling", data=data, headers=headers, content_type="application/json").status_code

    headers = signed([signing_key(secret)], "msg_1", now, body)
    assert answer(headers) == 204
    assert capsys.readouterr().out == "ring bob\n"
    # While the secret changes, the service signs with both, and each receiver has one.
    for keys in ([signing_key(secret), b"another key"], [b"another key", signing_key(secret)]):
        assert answer(signed(keys, "msg_1", now, body)) == 204
        assert capsys.readouterr().out == "ring bob\n"
    assert answer(headers, body.replace(b"bob", b"eve")) == 401
    assert answer(headers | {"webhook-id": "msg_2"}) == 401
    assert answer(headers | {"webhook-timestamp": str(now + 1)}) == 401
    assert answer(signed([b"another key"], "msg_1", now, body)) == 401
    assert answer(signed([signing_key(secret)], "msg_1", now - 600, body)) == 400
    assert capsys.readouterr().out == ""


def load(url: str, secret: str = "north") -> Settings:
    return Settings.load({"SIGNALING_WEBHOOK_URL": url, "SIGNALING_WEBHOOK_SECRET": secret})


@pytest.mark.parametrize("secret", ["whsec_", "whsec_?", "whsec_abc"])
def test_a_broken_secret_is_refused_and_not_shown(secret: str):
    with pytest.raises(SettingsError) as error:
        load("https://app.example.org", secret)
    assert str(error.value) == "SIGNALING_WEBHOOK_SECRET: the value is not usable; write base64 after whsec_"


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.org",
        "https://app.example.org/webhook",
        "http://127.0.0.1:8080/a/b?c=d%20e",
        "http://[::1]:8080?c",
    ],
)
def test_an_http_url_is_taken(url: str):
    assert load(url).webhook_url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example.org",
        "https://",
        "https:///webhook",
        "https://app.example.org:0",
        "https://user:password@app.example.org",
        "https://app.example.org/a b",
        "https://app.example.org/\r\nX-Injected: yes",
        "https://app.example.org/#fragment",
        "https://app.example.org\n",
    ],
)
def test_what_is_no_http_url_is_refused(url: str):
    with pytest.raises(SettingsError) as error:
        load(url)
    assert str(error.value) == (
        f"SIGNALING_WEBHOOK_URL: {url!r} is not usable; "
        "write an http or https URL such as https://app.example.org/webhook, or leave it empty"
    )


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"SIGNALING_WEBHOOK_URL": "https://app.example.org"}, "SIGNALING_WEBHOOK_SECRET"),
        ({"SIGNALING_WEBHOOK_SECRET": "north"}, "SIGNALING_WEBHOOK_URL"),
    ],
)
def test_it_needs_a_url_and_a_secret(given: dict[str, str], missing: str):
    with pytest.raises(SettingsError) as error:
        Settings.load(given)
    assert str(error.value) == (
        f"{missing} is not set: the webhook needs both SIGNALING_WEBHOOK_URL and SIGNALING_WEBHOOK_SECRET"
    )


class Alone(MemoryRegistry):
    """Rooms in which everybody waits."""

    def is_alone(self, pair: Pair, user: str) -> bool:
        return True


WAITING = Event(
    type=EventType.WAITING,
    call_id="1",
    sequence=1,
    at=0.0,
    pair=Pair("alice", "bob"),
    json=(b'"alice"', b'"bob"'),
    user="alice",
)


class Answer:
    status = 200

    def read(self, _: int) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "error", [UnicodeError("label too long"), ValueError("x"), AttributeError("x"), MemoryError()], ids=repr
)
def test_a_post_that_raises_anything_is_tried_again_and_the_next_is_sent(error: Exception, monkeypatch):
    monkeypatch.setattr(webhook, "FIRST_DELAY", 0.01)
    hook = Webhook(Settings(webhook_url="http://x", webhook_secret="north"), Alone())
    errors = [error] * 2

    def request(*_: Any, **__: Any) -> Answer:
        if errors:
            raise errors.pop()
        return Answer()

    monkeypatch.setattr(hook._http, "request", request)
    for _ in range(3):
        hook.tell(WAITING)
    until(lambda: hook.delivered == 3)
    assert (hook.failed, hook.dropped, len(hook)) == (0, 0, 0)


def test_an_error_outside_a_post_does_not_end_the_sending(monkeypatch):
    hook = Webhook(Settings(webhook_url="http://x", webhook_secret="north"), Alone())
    errors = [ValueError("x"), KeyError(1)]

    def is_alone(*_: object) -> bool:
        if errors:
            raise errors.pop()
        return True

    monkeypatch.setattr(hook._registry, "is_alone", is_alone)
    monkeypatch.setattr(hook._http, "request", lambda *_, **__: Answer())
    for _ in range(3):
        hook.tell(WAITING)
    until(lambda: hook.delivered == 1)


def test_the_receiver_of_the_document_takes_what_the_service_sends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    text = (Path(__file__).parents[3] / "docs/webhook.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    key = b"a key of thirty-two bytes or more"
    monkeypatch.setenv("SIGNALING_WEBHOOK_SECRET", f"whsec_{base64.b64encode(key).decode()}")
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code, names)
    client = names["app"].test_client()
    call = Call(id="c1", users=("alice", "bob"), started_at=1.0, ended_at=3.5, reason="left")
    shared: dict[str, Any] = {"call_id": "c1", "sequence": 1, "at": 1.0, "pair": Pair("alice", "bob")}
    events = [
        Event(type=EventType.WAITING, user="alice", json=(b'"alice"', b'"bob"'), **shared),
        Event(type=EventType.CALL_STARTED, call=call, json=(b'"alice"', b'"bob"'), **shared),
        Event(type=EventType.CALL_ENDED, call=call, json=(b'"alice"', b'"bob"'), **shared),
    ]
    for event in events:
        body = body_of(event)
        headers = signed([key], "msg_1", int(time.time()), body) | {"Content-Type": "application/json"}
        assert client.post("/signaling", data=body, headers=headers).status_code == 204
        assert client.post("/signaling", data=body + b" ", headers=headers).status_code == 401
    assert capsys.readouterr().out == "ring bob\nbill c1 2.5\n"
