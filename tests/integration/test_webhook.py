"""The app's own server is told who waits for somebody absent, and the service never waits for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.driver import Client, Server, meet
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

KEY = b"twenty-four bytes or more"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NEVER = 0


class Told(NamedTuple):
    """A POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return json.loads(self.body)["type"]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)["data"]

    @property
    def user(self) -> Any:
        return self.data["userId"]

    @property
    def users(self) -> list[Any]:
        return self.data["users"] if "users" in self.data else [self.user, self.data["remoteId"]]


class Receiver:
    """An app's server. It answers with `answers` in turn, and then with 204; NEVER is no answer at all.

    It keeps only events of `types`, and answers others with 204. With `about`, it keeps only those of that user: the
    wait of an earlier test may end during this one.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.answers: list[int] = []
        self.told: list[Told] = []
        self.types = {"user.waiting"}
        self.about: Any = None
        self._news = threading.Condition()
        self._over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._take(Told(self.path, headers, body))
                if status == NEVER:
                    receiver._over.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that goes away is none."""

        self._server = Listener(("localhost", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://localhost:{self._server.server_port}/rings?app=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join(TIMEOUT)
        self._server.server_close()

    def let_go(self) -> None:
        """Close the connections that were to have no answer."""
        self._over.set()

    def _take(self, told: Told) -> int:
        with self._news:
            if told.type not in self.types or (self.about is not None and self.about not in told.users):
                return 204
            self.told.append(told)
            self._news.notify_all()
            return self.answers.pop(0) if self.answers else 204

    def wait_for(self, number: int) -> list[Told]:
        """Wait until it was told so often, and return what of."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.told) >= number, TIMEOUT), self.told
            return list(self.told)

    def wait_for_user(self, user: str) -> set[str]:
        """Wait until it was told of a user, and return all that it was told of."""
        with self._news:
            assert self._news.wait_for(lambda: user in {told.user for told in self.told}, TIMEOUT), self.told
            return {told.user for told in self.told}

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"SIGNALING_WEBHOOK_URL": self.url, "SIGNALING_WEBHOOK_SECRET": SECRET} | {
            f"SIGNALING_{name.upper()}": str(value) for name, value in more.items()
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Receiver, Server]]:
    with Receiver() as receiver, Server(**receiver.settings()) as server:
        yield receiver, server


@pytest.fixture
def told_by(both: tuple[Receiver, Server]) -> Iterator[tuple[Receiver, Server]]:
    """A receiver that was told nothing yet, and a server that nobody is at, for all who leave both so."""
    receiver, server = both
    receiver.told.clear()
    receiver.types, receiver.about = {"user.waiting"}, None
    yield both
    assert receiver.answers == []
    wait_until(lambda: server.health()["connections"] == server.health()["rooms"] == 0)


def signature(key: bytes, told: Told) -> str:
    """As the specification of Standard Webhooks has it."""
    content = b".".join((told.id.encode(), told.headers["webhook-timestamp"].encode(), told.body))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_it_is_told_of_who_waits_and_can_be_sure_by_whom(told_by: tuple[Receiver, Server]):
    receiver, server = told_by
    with Client(server) as alice:
        alice.join("alice", 7)
        (told,) = receiver.wait_for(1)
    assert told.path == "/rings?app=1"
    assert told.headers["content-type"] == "application/json"
    event = json.loads(told.body)
    assert event["type"] == "user.waiting"
    data = {"room": "room_7_alice", "userId": "alice", "remoteId": 7, "sequence": 1}
    assert event["data"] == data | {"callId": told.data["callId"]}
    moment = datetime.fromisoformat(event["timestamp"])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < TIMEOUT
    assert abs(time.time() - int(told.headers["webhook-timestamp"])) < TIMEOUT
    assert told.id.startswith("msg_")
    assert told.headers["webhook-signature"] == signature(KEY, told)
    assert told.headers["webhook-signature"] != signature(b"another", told)


def test_any_text_is_a_secret(receiver: Receiver):
    settings = receiver.settings() | {"SIGNALING_WEBHOOK_SECRET": "any text"}
    with Server(**settings) as server, Client(server) as alice:
        alice.join("alice", "bob")
        (told,) = receiver.wait_for(1)
    assert told.headers["webhook-signature"] == signature(b"any text", told)


def test_it_is_told_once_of_each_waiting(told_by: tuple[Receiver, Server]):
    receiver, server = told_by
    alice, bob = meet(server)
    with alice, bob, Client(server) as again, Client(server) as carol:
        receiver.wait_for(1)
        bob.join("bob", "alice")
        # Bob, left alone by alice, did not come to wait for her; and he joins again in place.
        alice.close()
        assert [bob.receive()["type"] for _ in range(2)] == ["bye", "roomInfo"]
        bob.join("bob", "alice")
        again.join("bob", "alice")
        assert bob.closed()[0] == 4001
        # Who leaves and comes back waits anew.
        again.send(type="bye")
        again.join("bob", "alice")
        receiver.wait_for(2)
        carol.join("carol", "dave")
        assert [told.user for told in receiver.wait_for(3)] == ["alice", "bob", "carol"]


def test_it_is_told_of_a_call_from_the_wait_to_the_end_in_order(told_by: tuple[Receiver, Server]):
    receiver, server = told_by
    receiver.types = {"user.waiting", "user.waiting_ended", "call.started", "call.ended"}
    receiver.about = 7
    with Client(server) as alice, Client(server) as bob:
        alice.join("alice", 7)
        bob.join(7, "alice")
    told = receiver.wait_for(4)
    with Client(server) as alice:
        alice.join("alice", 7)
        receiver.wait_for(5)
    receiver.wait_for(6)
    assert [one.type for one in told] == ["user.waiting", "user.waiting_ended", "call.started", "call.ended"]
    [call_id] = {one.data["callId"] for one in told}
    assert [one.data["sequence"] for one in told] == [1, 2, 3, 4]
    assert told[1].data["outcome"] == "met"
    started, ended = told[2].data, told[3].data
    assert started["users"] == ended["users"] == [7, "alice"]
    assert (ended["startedAt"], ended["reason"]) == (started["startedAt"], "left")
    seconds = datetime.fromisoformat(ended["endedAt"]) - datetime.fromisoformat(ended["startedAt"])
    assert abs(ended["duration"] - seconds.total_seconds()) < 0.01
    again = receiver.told[4:]
    assert [(one.type, one.data["sequence"]) for one in again] == [("user.waiting", 1), ("user.waiting_ended", 2)]
    assert again[1].data["outcome"] == "left"
    assert again[0].data["callId"] == again[1].data["callId"] != call_id


def test_a_server_that_stops_tells_of_the_end_of_its_calls(receiver: Receiver):
    receiver.types = {"call.ended"}
    with Server(**receiver.settings()) as server:
        alice, bob = meet(server)
        server.process.terminate()
        [ended] = receiver.wait_for(1)
        assert {client.closed()[0] for client in (alice, bob)} == {1012}
        assert server.wait() == 0
    assert ended.data["reason"] == "restart"


def test_it_is_tried_again_as_the_same_message(told_by: tuple[Receiver, Server]):
    receiver, server = told_by
    receiver.answers = [500, 429, 200]
    with Client(server) as dora, Client(server) as emil:
        dora.join("dora", "emil")
        told = receiver.wait_for(3)
        assert len({(one.id, one.body) for one in told}) == 1
        assert all(one.headers["webhook-signature"] == signature(KEY, one) for one in told)
        emil.join("emil", "carol")
        assert [one.user for one in receiver.wait_for(4)] == ["dora"] * 3 + ["emil"]


def test_one_that_is_tried_again_is_in_nobodys_way(told_by: tuple[Receiver, Server]):
    receiver, server = told_by
    receiver.answers = [503]
    with Client(server) as fay, Client(server) as gil:
        fay.join("fay", "carol")
        receiver.wait_for(1)
        gil.join("gil", "carol")
        assert [one.user for one in receiver.wait_for(3)] == ["fay", "gil", "fay"]


@pytest.mark.parametrize("status", rest_long([302, 410]))
def test_what_would_be_answered_the_same_is_given_up(receiver: Receiver, status: int):
    receiver.answers = [status]
    with Server(**receiver.settings()) as server, Client(server) as alice:
        alice.join("alice", "bob")
        line = server.wait_for_log("WARNING Webhooks that failed")
        assert line.endswith(f"Webhooks that failed: 1, the last one: it answered {status}")
    assert [told.path for told in receiver.told] == ["/rings?app=1"], "a redirect is not followed"


def test_a_receiver_that_does_not_answer_is_tried_again(receiver: Receiver):
    receiver.answers = [NEVER]
    with Server(**receiver.settings(webhook_timeout=1, log_level="debug")) as server, Client(server) as alice:
        alice.join("alice", "bob")
        server.wait_for_log(r"Webhook msg_\w+, attempt 1: no answer within 1 seconds")
        server.wait_for_log(r"Webhook msg_\w+, attempt \d: it answered 204")
    assert len({told.id for told in receiver.told}) == 1


def test_who_is_gone_or_in_the_call_by_then_is_not_told_of(receiver: Receiver):
    receiver.answers = [NEVER]
    with Server(**receiver.settings(webhook_timeout=600)) as server, Client(server) as alice:
        alice.join("alice", "nobody")
        receiver.wait_for(1)
        with Client(server) as bob:
            bob.join("bob", "nobody")
        server.wait_for_log("User bob left room")
        carol, dave = meet(server, "carol", "dave")
        with carol, dave, Client(server) as erin:
            erin.join("erin", "nobody")
            receiver.let_go()
            assert receiver.wait_for_user("erin") == {"alice", "erin"}


def test_a_dead_receiver_delays_no_join_and_not_the_end(receiver: Receiver):
    """More wait for it than the queue takes; those over it are dropped, which is one line in the log."""
    receiver.answers = [NEVER] * 100
    with Server(**receiver.settings(webhook_queue=3, webhook_timeout=600)) as server:
        waiting = [Client(server) for _ in range(20)]
        for number, client in enumerate(waiting):
            assert client.join(f"user {number}", "nobody")[0]["type"] == "created"
        line = server.wait_for_log("WARNING Webhooks that failed")
        assert line.endswith("Webhooks that failed: 1, the last one: 3 wait already (SIGNALING_WEBHOOK_QUEUE)")
        alice, bob = meet(server)
        with alice, bob:
            alice.send(type="message", data="hello")
            assert bob.receive()["data"] == "hello"
            server.process.terminate()
            assert {client.closed()[0] for client in (*waiting, alice, bob)} == {1012}
        assert server.wait() == 0
        assert len([line for line in server.log if "Webhooks that failed" in line]) == 1
        assert not [line for line in server.log if "Traceback" in line or "graceful timeout" in line]
    assert len(receiver.told) == 1


def test_over_tls_it_must_be_who_it_says(certificate: Path):
    with Receiver(certificate) as receiver:
        settings = receiver.settings(log_level="debug")
        with Server(**settings) as server, Client(server) as alice:
            alice.join("alice", "bob")
            server.wait_for_log("attempt 1: .*CERTIFICATE_VERIFY_FAILED")
        assert receiver.told == []
        with Server(SSL_CERT_FILE=certificate, **settings) as server, Client(server) as alice:
            alice.join("alice", "bob")
            server.wait_for_log("attempt 1: it answered 204")
        assert len(receiver.told) == 1
