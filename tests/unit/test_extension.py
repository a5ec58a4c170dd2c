"""The extension in several apps of one process: nothing of one is another's."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask

from signaling import Signaling, create_app
from signaling.config.settings import SettingsError
from signaling.node.node import Node
from signaling.rooms import memory
from signaling.rooms.memory import MemoryRegistry
from tests.redis_server import Redis
from tests.unit.people import Person

KEY = "a secret of thirty-two bytes or more"


def app(name: str = "app", **settings: object) -> Flask:
    made = Flask(name)
    made.config.from_mapping({f"SIGNALING_{field.upper()}": value for field, value in settings.items()})
    return made


def node_of(app: Flask) -> Node:
    return app.extensions["signaling"]


def create(made: Flask) -> Flask:
    Signaling(made)
    return made


def one_object(*apps: Flask) -> list[Node]:
    """One object, made once and initialised for each app."""
    recipe = Signaling()
    for each in apps:
        recipe.init_app(each)
    return [node_of(each) for each in apps]


def an_object_each(*apps: Flask) -> list[Node]:
    for each in apps:
        Signaling(each)
    return [node_of(each) for each in apps]


HOW = pytest.mark.parametrize("initialise", [one_object, an_object_each])


@HOW
@pytest.mark.parametrize("locked_is", [0, 1, 2])
def test_an_app_with_a_key_keeps_it_whatever_the_others_have(initialise, locked_is: int):
    apps = [app(str(number), **({"jwt_key": KEY} if number == locked_is else {"open": True})) for number in range(3)]
    nodes = initialise(*apps)
    assert [node.context.verifier is not None for node in nodes] == [number == locked_is for number in range(3)]
    replies = [each.test_client().get("/ice-servers").status_code for each in apps]
    assert replies == [401 if number == locked_is else 200 for number in range(3)]


@HOW
def test_every_setting_is_the_apps_own(initialise):
    apps = [app(str(number), max_connections=number, metrics_token=f"token {number}") for number in (1, 2)]
    nodes = initialise(*apps)
    assert [node.settings.max_connections for node in nodes] == [1, 2]
    for each, (mine, theirs) in zip(apps, itertools.permutations(["token 1", "token 2"]), strict=True):
        client = each.test_client()
        page = client.get("/metrics", headers={"Authorization": f"Bearer {mine}"})
        assert page.status_code == 200
        assert f"signaling_connections_limit {float(mine[-1])}" in page.text
        assert client.get("/metrics", headers={"Authorization": f"Bearer {theirs}"}).status_code == 401


@HOW
def test_users_of_one_app_never_meet_those_of_another(initialise):
    nodes = initialise(app("a"), app("b"), app("c"))
    for node in nodes:
        alice = Person(node.registry).joins("alice", "bob")
        assert alice.hears_types() == ["created", "roomInfo"]
    assert [node.registry.room_count for node in nodes] == [1, 1, 1]
    nodes[0].stats.joins += 7
    assert [node.stats.joins for node in nodes] == [7, 0, 0]
    assert len({id(node.connections) for node in nodes}) == 3


@HOW
def test_one_app_drains_alone(initialise):
    apps = [app("a"), app("b")]
    initialise(*apps)[0].connections.draining = True
    assert [each.test_client().get("/healthz").status_code for each in apps] == [503, 200]


def test_the_service_made_twice_has_rooms_of_its_own_each_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "_free", [memory.rooms])
    first, second = (node_of(create_app()).registry for _ in range(2))
    assert first is memory.rooms
    assert second is not first


def test_an_app_is_initialised_once():
    mine = app()
    recipe = Signaling(mine)
    before = node_of(mine)
    for again in (recipe.init_app, Signaling, Signaling(url_prefix="/other").init_app):
        with pytest.raises(RuntimeError, match="has the signaling service already"):
            again(mine)
    assert node_of(mine) is before


def test_a_registry_that_is_given_is_for_one_app():
    rooms = MemoryRegistry()
    recipe = Signaling(registry=rooms)
    first = app("first")
    recipe.init_app(first)
    assert node_of(first).registry is rooms
    with pytest.raises(RuntimeError, match="Another app has this registry"):
        recipe.init_app(app("second"))


def test_a_wrong_setting_of_one_app_is_no_other_apps_trouble():
    recipe = Signaling(registry=MemoryRegistry())
    with pytest.raises(SettingsError):
        recipe.init_app(app("wrong", max_connections="many"))
    right = app("right")
    recipe.init_app(right)
    assert right.test_client().get("/healthz").status_code == 200


def test_apps_with_other_rules_do_not_meet_in_redis(redis: Redis):
    locked = node_of(create(app("locked", redis_url=redis.url, jwt_key=KEY)))
    with pytest.raises(SettingsError, match="SIGNALING_REDIS_PREFIX='signaling' is also the prefix of another app"):
        Signaling(app("open", redis_url=redis.url))
    other = node_of(create(app("open", redis_url=redis.url, redis_prefix="open")))
    # The same app twice is as two workers.
    again = node_of(create(app("again", redis_url=redis.url, jwt_key=KEY)))
    assert locked.settings == again.settings != other.settings


def test_an_app_that_is_gone_leaves_its_place_in_redis(redis: Redis):
    create(app("gone", redis_url=redis.url, jwt_key=KEY, redis_prefix="place"))
    create(app("new", redis_url=redis.url, redis_prefix="place"))


def test_rooms_are_taken_once():
    taken = [memory.take_rooms(20.0) for _ in range(3)]
    assert len({id(rooms) for rooms in taken}) == 3


def test_several_workers_without_a_redis_are_refused(caplog: pytest.LogCaptureFixture):
    made = create(app(open=True))
    for several, status in ((False, 204), (True, 503)):
        answer = made.test_client().post("/ws", environ_overrides={"wsgi.multiprocess": several})
        assert answer.status_code == status
    assert answer.json["code"] == "server-misconfigured"
    assert "share a Redis" in caplog.text


def test_the_service_alone_is_open_unless_the_environment_closes_it(monkeypatch: pytest.MonkeyPatch):
    for value, is_open in ((None, True), ("false", False), ("true", True)):
        if value is not None:
            monkeypatch.setenv("SIGNALING_OPEN", value)
        node = node_of(create_app())
        with create_app().test_request_context():
            assert (node.identify().refusal is None) is is_open
