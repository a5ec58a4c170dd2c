"""The rules of an app: its users are logged in, join as themselves, and call only the peers that the app allows."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any
from uuid import UUID

import gevent
import pytest
from flask import Flask, current_app, got_request_exception, request, session
from gevent import GreenletExit

from signaling import Signaling
from signaling.config.env import SettingsError
from signaling.node.node import Node
from signaling.testing import SignalingClient
from tests.redis_server import Redis

KEY = "a secret of thirty-two bytes or more"


class Client(SignalingClient):
    """A connection of a user of the app, whose login put ``user`` into the session."""

    def __init__(self, app: Flask, user: object = None) -> None:
        browser = app.test_client()
        with browser.session_transaction() as stored:
            if user is not None:
                stored["user"] = user
        super().__init__(app, browser)

    def joins(self, **fields: Any) -> tuple[str, int | None]:
        """Join, and return the type or the code of the reply, and the close code."""
        self.send(type="join", **fields)
        reply = self.replies[0]
        self.replies.clear()
        return reply.get("code", reply["type"]), self.close_code


@pytest.fixture
def signaling() -> Signaling:
    return Signaling()


@pytest.fixture
def app(signaling: Signaling) -> Callable[..., Flask]:
    def make(**config: Any) -> Flask:
        made = Flask("the app")
        made.config.from_mapping({"SECRET_KEY": "a secret", **config})
        signaling.init_app(made)
        return made

    return make


def test_an_app_that_does_not_say_who_may_join_is_closed(app: Callable[..., Flask], caplog: pytest.LogCaptureFixture):
    made = app()
    for _ in range(2):
        assert Client(made).joins(userId="alice", remoteId="bob") == ("unauthorized", 4003)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    for way in ("SIGNALING_JWT_KEY", "user_loader", "SIGNALING_OPEN"):
        assert way in record.getMessage()


def test_an_app_may_be_open(app: Callable[..., Flask]):
    assert Client(app(SIGNALING_OPEN=True)).joins(userId="alice", remoteId="bob") == ("created", None)


def test_a_key_is_enough(app: Callable[..., Flask]):
    """The token decides then."""
    assert Client(app(SIGNALING_JWT_KEY=KEY)).joins(userId="alice", remoteId="bob") == ("unauthorized", 4003)


def test_users_join_as_themselves(app: Callable[..., Flask], signaling: Signaling):
    """The loader may be given after the app was initialized, and finds the session of the handshake."""
    made = app()
    signaling.user_loader(lambda: session.get("user"))
    assert Client(made, "alice").joins(remoteId="bob") == ("created", None)
    assert Client(made, "bob").joins(userId="bob", remoteId="alice") == ("joined", None)
    assert Client(made, "eve").joins(userId="alice", remoteId="bob") == ("unauthorized", 4003)
    assert Client(made).joins(userId="alice", remoteId="bob") == ("unauthorized", 4003)
    assert Client(made, "").joins(userId="alice", remoteId="bob") == ("unauthorized", 4003)


def test_a_number_is_a_users_id_as_well(app: Callable[..., Flask], signaling: Signaling):
    made = app()
    signaling.user_loader(lambda: session["user"])
    alice = Client(made, 7)
    assert alice.joins(remoteId="bob") == ("created", None)
    bob = Client(made, "bob")
    bob.join(7)
    assert [user["userId"] for user in bob.receive("roomInfo")["users"]] == [7, "bob"]


@pytest.mark.parametrize("answer", [None, False, 0, ""])
def test_the_authorizer_forbids_a_call(app: Callable[..., Flask], signaling: Signaling, answer: object):
    asked = []

    @signaling.authorizer
    def may_call(user: str, peer: str) -> object:
        asked.append((current_app.name, user, peer))
        return answer if peer == "carol" else "yes"

    made = app(SIGNALING_OPEN=True)
    assert Client(made).joins(userId="alice", remoteId="carol") == ("unauthorized", 4003)
    assert Client(made).joins(userId="alice", remoteId="bob") == ("created", None)
    assert asked == [("the app", "alice", "carol"), ("the app", "alice", "bob")]
    with pytest.raises(RuntimeError):
        current_app._get_current_object()


class User:
    """Flask-Login's anonymous user has a text as well, with its address in memory."""


@pytest.mark.parametrize(
    "user", [User(), True, 1.5, b"alice", "x" * 129, "\ud800", ["alice"]], ids=lambda user: type(user).__name__
)
def test_what_is_no_id_lets_nobody_in(app: Callable[..., Flask], signaling: Signaling, user: object):
    made = app()
    signaling.user_loader(lambda: user)
    assert Client(made).joins(remoteId="bob") == ("unavailable", 1013)


def test_the_loader_sees_the_address_that_other_views_see(app: Callable[..., Flask], signaling: Signaling):
    """Flask-Login's session protection compares it with the one at the login."""
    made = app()
    seen = []
    signaling.user_loader(lambda: seen.append(request.remote_addr))
    with made.test_request_context(environ_base={"REMOTE_ADDR": "::ffff:192.0.2.1"}):
        made.extensions["signaling"].admit()
    assert seen == ["::ffff:192.0.2.1"]


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        (lambda node: setattr(node.connections, "draining", True), 503),
        (lambda node: node.connections.add(object()), 503),
        (lambda node: node.gate.limiter.add("192.0.2.1"), 429),
        (lambda node: None, None),
    ],
    ids=["draining", "full", "address", "nothing"],
)
def test_what_comes_up_while_the_loader_waits_counts(
    app: Callable[..., Flask], signaling: Signaling, meanwhile: Callable[[Node], None], status: int | None
):
    limits = {"MAX_CONNECTIONS": 1, "CONNECTIONS_PER_IP": 1, "CONNECTION_RATE": 0.001, "CONNECTION_BURST": 1}
    made = app(**{f"SIGNALING_{name}": value for name, value in limits.items()})
    node: Node = made.extensions["signaling"]
    signaling.user_loader(lambda: meanwhile(node) or "alice")
    with made.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}, headers={"Origin": "http://localhost"}):
        answer = node.admit()
    # The attempt counts once: otherwise the rate would refuse each.
    assert getattr(answer, "status_code", None) == status
    assert sum(node.stats.refused.values()) == (status is not None)


@pytest.mark.parametrize("hook", ["user_loader", "authorizer"])
def test_an_async_hook_never_counts_as_a_yes(app: Callable[..., Flask], signaling: Signaling, hook: str):
    """Flask runs it with its extra "async"; without that, it fails, and nobody is let in."""
    made = app(SIGNALING_OPEN=True)

    async def nobody(*_: str) -> None:
        return None

    getattr(signaling, hook)(nobody)
    assert Client(made, "alice").joins(userId="alice", remoteId="bob")[0] in ("unavailable", "unauthorized")


def test_nobody_is_nobody(app: Callable[..., Flask], signaling: Signaling):
    """As `current_user.is_authenticated and current_user.id` has it."""
    made = app()
    signaling.user_loader(lambda: False)
    assert Client(made).joins(userId="False", remoteId="bob") == ("unauthorized", 4003)


def test_a_uuid_is_an_id(app: Callable[..., Flask], signaling: Signaling):
    made = app()
    signaling.user_loader(lambda: UUID(int=7))
    assert Client(made).joins(userId=str(UUID(int=7)), remoteId="bob") == ("created", None)


def test_a_join_whose_connection_ended_while_the_app_decided_changes_nothing(
    app: Callable[..., Flask], signaling: Signaling
):
    """The user is back on a newer connection, which keeps its seat."""
    made = app(SIGNALING_OPEN=True)
    old, new = Client(made), Client(made)

    @signaling.authorizer
    def may_call(user: str, peer: str) -> bool:
        if old.close_code is None:
            old.close(1006)
            assert new.joins(userId="alice", remoteId="bob") == ("created", None)
        return True

    old.send(type="join", userId="alice", remoteId="bob")
    assert (old.replies, new.replies, new.close_code) == ([], [], None)
    assert made.extensions["signaling"].registry.room_count == 1


def test_apps_with_other_rules_share_no_rooms_in_redis(app: Callable[..., Flask], redis: Redis):
    open_ = app(SIGNALING_OPEN=True, SIGNALING_REDIS_URL=redis.url)
    with pytest.raises(SettingsError, match="SIGNALING_REDIS_PREFIX"):
        app(SIGNALING_REDIS_URL=redis.url)
    assert open_.extensions["signaling"].shared is not None


def test_turn_is_for_those_who_may_join(app: Callable[..., Flask], signaling: Signaling):
    made = app()
    assert made.test_client().get("/ice-servers").status_code == 403
    signaling.user_loader(fail)
    assert made.test_client().get("/ice-servers").status_code == 503
    signaling.user_loader(lambda: "alice")
    assert made.test_client().get("/ice-servers").status_code == 200


def fail() -> None:
    raise ConnectionError("the database is down")


def stubborn() -> None:
    """As a loop that tries again, whatever happens."""
    try:
        gevent.sleep(60)
    except Exception:
        gevent.sleep(60)


@pytest.mark.parametrize("hook", ["user_loader", "authorizer"])
@pytest.mark.parametrize("failure", [fail, lambda: gevent.sleep(60), stubborn], ids=["error", "slow", "stubborn"])
def test_a_hook_that_fails_lets_nobody_in(
    app: Callable[..., Flask],
    signaling: Signaling,
    caplog: pytest.LogCaptureFixture,
    hook: str,
    failure: Callable[[], None],
):
    made = app(SIGNALING_OPEN=True, SIGNALING_HOOK_TIMEOUT=0.05)
    getattr(signaling, hook)(lambda *_: failure())
    reported = []
    with got_request_exception.connected_to(lambda _, exception: reported.append(exception), made):
        assert Client(made, "alice").joins(userId="alice", remoteId="bob") == ("unavailable", 1013)
    [error] = reported
    assert str(error) in ("the database is down", "no answer within 0.05 seconds")
    [record] = caplog.records
    assert hook in record.getMessage()
    assert record.exc_info is not None
    # A failure does not stay.
    getattr(signaling, hook)(lambda *_: "alice")
    assert Client(made, "alice").joins(userId="alice", remoteId="bob") == ("created", None)


@pytest.mark.parametrize("hook", ["user_loader", "authorizer"])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GreenletExit, CancelledError])
def test_a_hook_that_raises_what_is_no_exception_gives_the_client_an_answer(
    app: Callable[..., Flask], signaling: Signaling, hook: str, kind: type[BaseException]
):
    made = app(SIGNALING_OPEN=True)

    def fail(*_: object) -> None:
        raise kind

    getattr(signaling, hook)(fail)
    reported = []
    with got_request_exception.connected_to(lambda _, exception: reported.append(exception), made):
        for _ in range(2):
            assert Client(made, "alice").joins(userId="alice", remoteId="bob") == ("unavailable", 1013)
    assert [str(error) for error in reported] == [f"it raised {kind()!r}"] * 2
    assert made.extensions["signaling"].registry.room_count == 0


@pytest.mark.parametrize("hook", ["user_loader", "authorizer"])
def test_a_reporter_that_fails_as_well_changes_nothing(app: Callable[..., Flask], signaling: Signaling, hook: str):
    made = app()
    signaling.user_loader(fail if hook == "user_loader" else lambda: "alice")
    signaling.authorizer(lambda *_: fail())

    def report(*_: object, **__: object) -> None:
        raise RuntimeError("the reporter is away")

    got_request_exception.connect(report, made)
    assert Client(made).joins(remoteId="bob") == ("unavailable", 1013)


def test_one_slow_authorizer_holds_up_nobody_else(app: Callable[..., Flask], signaling: Signaling):
    made = app(SIGNALING_OPEN=True)
    begun, may_go_on = gevent.event.Event(), gevent.event.Event()

    @signaling.authorizer
    def may_call(user: str, peer: str) -> bool:
        if user == "slow":
            begun.set()
            may_go_on.wait()
        return True

    slow = gevent.spawn(Client(made).joins, userId="slow", remoteId="bob")
    begun.wait()
    assert Client(made).joins(userId="alice", remoteId="bob") == ("created", None)
    assert not slow.ready()
    may_go_on.set()
    assert slow.get() == ("created", None)


def test_with_the_apps_users_only_its_own_pages_may_connect(app: Callable[..., Flask], signaling: Signaling):
    made = app(SIGNALING_OPEN=True)
    node: Node = made.extensions["signaling"]

    def reason(origin: str) -> str | None:
        with made.test_request_context(base_url="https://app.example.org", headers={"Origin": origin}):
            rejection = node.rejection()
            return rejection and rejection.reason

    assert reason("https://evil.example.com") is None
    signaling.user_loader(lambda: "alice")
    assert reason("https://evil.example.com") == "origin"
    assert reason("https://app.example.org") is None


@pytest.mark.parametrize("name", ["JWT_KEYS", "_JWT_KEY", "ALLOWED_ORIGIN", "JWT_SECRET", "ORIGINS"])
def test_a_misspelled_protection_ends_the_start(app: Callable[..., Flask], name: str):
    with pytest.raises(SettingsError, match=f"SIGNALING_{name} is not a setting; write SIGNALING_"):
        app(**{f"SIGNALING_{name}": KEY})


def test_a_prefix_may_be_a_setting(app: Callable[..., Flask]):
    client = app(SIGNALING_URL_PREFIX="/call").test_client()
    assert client.get("/call/healthz").status_code == 200
    assert client.get("/healthz").status_code == 404
