"""The extension in several apps of one process: nothing of one is another's."""

from __future__ import annotations

import gc
import itertools
import weakref
from contextlib import ExitStack

import pytest
from flask import Blueprint, Flask, url_for

from signaling import Signaling, create_app
from signaling.config.settings import SettingsError
from signaling.node.node import Node
from signaling.rooms import memory
from signaling.rooms.memory import MemoryRegistry
from signaling.testing import SignalingClient
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


def two_instances(**settings: object) -> Flask:
    made = app(open=True, **settings)
    Signaling(made)
    Signaling(made, name="support")
    return made


def test_a_named_instance_has_routes_of_its_own():
    made = two_instances()
    client = made.test_client()
    assert [client.get(path).status_code for path in ("/healthz", "/support/healthz", "/support/")] == [200, 200, 200]
    with made.test_request_context():
        assert (url_for("signaling.index"), url_for("support.index")) == ("/", "/support/")
    assert node_of(made) is not made.extensions["signaling.support"]


def test_users_of_two_instances_of_one_app_never_meet():
    made = two_instances()
    with SignalingClient(made) as alice, SignalingClient(made, name="support") as bob, SignalingClient(made) as carol:
        assert alice.join("bob", "alice")["type"] == "created"
        assert bob.join("alice", "bob")["type"] == "created"
        assert carol.join("alice", "bob")["type"] == "joined"
        assert alice.receive("ready")
        with pytest.raises(LookupError):
            bob.receive("ready")


def test_two_instances_drain_alone():
    made = two_instances()
    made.extensions["signaling.support"].connections.draining = True
    with SignalingClient(made):
        pass
    with pytest.raises(ConnectionRefusedError, match="restarting"):
        SignalingClient(made, name="support")


def test_the_rules_of_an_instance_are_its_own():
    made = app()
    default, support = Signaling(made), Signaling(made, name="support")
    default.user_loader(lambda: "alice")
    support.user_loader(lambda: "agent")
    support.authorizer(lambda user, peer: False)
    with SignalingClient(made) as alice, SignalingClient(made, name="support") as agent:
        assert alice.join("bob")["type"] == "created"
        assert agent.join("bob")["code"] == "unauthorized"


def test_a_named_instance_has_its_settings_before_those_of_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUPPORT_SIGNALING_MAX_CONNECTIONS", "7")
    monkeypatch.setenv("SIGNALING_MAX_CONNECTIONS", "3")
    monkeypatch.setenv("SIGNALING_PING_INTERVAL", "11")
    made = app(close_timeout=2, ping_timeout=13)
    made.config["SUPPORT_SIGNALING_PING_TIMEOUT"] = 17
    Signaling(made)
    Signaling(made, name="support")
    names = ("max_connections", "ping_interval", "close_timeout", "ping_timeout")
    default, support = (made.extensions[key].settings for key in ("signaling", "signaling.support"))
    assert [getattr(default, name) for name in names] == [3, 11, 2, 13]
    assert [getattr(support, name) for name in names] == [7, 11, 2, 17]


def test_a_path_and_a_port_have_one_owner():
    made = app(url_prefix="/call", metrics_bind="127.0.0.1:9101")
    made.config["DESK_SIGNALING_URL_PREFIX"] = "/help"
    for name in ("signaling", "support", "desk"):
        Signaling(made, name=name)
    client = made.test_client()
    for prefix in ("/call", "/support", "/help"):
        assert client.get(f"{prefix}/healthz").status_code == 200
    binds = [made.extensions[key].settings.metrics_bind for key in ("signaling", "signaling.support", "signaling.desk")]
    assert binds == ["127.0.0.1:9101", "", ""]


@pytest.mark.parametrize("name", ["support-desk", "support_desk"])
def test_the_names_of_settings_have_underscores(name: str):
    made = app(open=True)
    made.config["SUPPORT_DESK_SIGNALING_MAX_CONNECTIONS"] = 9
    Signaling(made, name=name)
    assert made.extensions[f"signaling.{name}"].settings.max_connections == 9
    assert made.test_client().get(f"/{name}/healthz").status_code == 200


@pytest.mark.parametrize("name", ["", "Support", "a.b", "a/b", "1st", "a" * 33, "signaling2", "é"])
def test_a_name_that_is_no_name_is_refused(name: str):
    with pytest.raises(ValueError, match=r"Signaling\(name="):
        Signaling(name=name)


def test_a_wrong_setting_has_the_name_that_it_was_written_under():
    made = app(ping_timeout=1)
    made.config["SUPPORT_SIGNALING_MAX_CONNECTIONS"] = "many"
    with pytest.raises(SettingsError, match=r"^SUPPORT_SIGNALING_MAX_CONNECTIONS: 'many' is not usable"):
        Signaling(made, name="support")
    with pytest.raises(SettingsError, match=r"^SIGNALING_PING_TIMEOUT: 'soon' is not usable"):
        Signaling(app(ping_timeout="soon"), name="support")
    made.config["SUPPORT_SIGNALING_MAX_CONNECTIONS"] = 1
    made.config["SUPPORT_SIGNALING_JWT_KEY"] = "short"
    with pytest.raises(SettingsError, match=r"^SUPPORT_SIGNALING_JWT_KEY"):
        Signaling(made, name="support")


@pytest.mark.parametrize("prefix", ["SIGNALING", "SUPPORT_SIGNALING"])
def test_a_misspelled_protection_of_an_instance_ends_the_start(prefix: str, monkeypatch: pytest.MonkeyPatch):
    made = app()
    made.config[f"{prefix}_JWT_KEYS"] = KEY
    with pytest.raises(SettingsError, match=f"^{prefix}_JWT_KEYS is not a setting; write {prefix}_JWT_KEY$"):
        Signaling(made, name="support")
    monkeypatch.setenv(f"{prefix}_ALLOWED_ORIGIN", "https://example.org")
    with pytest.raises(SettingsError, match=f"^{prefix}_ALLOWED_ORIGIN is not a setting; write {prefix}_ALLOWED_ORIG"):
        Signaling(app(), name="support")


def test_each_unknown_name_is_one_warning(caplog: pytest.LogCaptureFixture):
    made = app(ping_intervall=9)
    made.config["SUPPORT_SIGNALING_CLOSE_TIMEOUTS"] = 9
    Signaling(made)
    Signaling(made, name="support")
    assert [record.getMessage() for record in caplog.records] == [
        "SIGNALING_PING_INTERVALL is not a setting: did you mean SIGNALING_PING_INTERVAL?",
        "SUPPORT_SIGNALING_CLOSE_TIMEOUTS is not a setting: did you mean SUPPORT_SIGNALING_CLOSE_TIMEOUT?",
    ]


def test_instances_with_one_redis_never_meet(redis: Redis):
    made = two_instances(redis_url=redis.url, redis_prefix="shop")
    made.config["DESK_SIGNALING_REDIS_PREFIX"] = "help"
    Signaling(made, name="desk")
    keys = ("signaling", "signaling.support", "signaling.desk")
    nodes: list[Node] = [made.extensions[key] for key in keys]
    assert [node.settings.redis_prefix for node in nodes] == ["shop", "shop-support", "help"]
    try:
        for node in nodes:
            assert node.shared is not None
            node.shared.redis.start()
            node.shared.redis.wait_for(0)
        with ExitStack() as stack:
            for name, user, peer, reply in (
                ("signaling", "alice", "bob", "created"),
                ("support", "bob", "alice", "created"),
                ("desk", "bob", "alice", "created"),
                ("signaling", "bob", "alice", "joined"),
            ):
                client = stack.enter_context(SignalingClient(made, name=name))
                assert client.join(peer, user)["type"] == reply
    finally:
        for node in nodes:
            node.leave_cluster()


def test_two_instances_of_one_name_need_names():
    made = app()
    Signaling(made, name="support")
    Signaling(made)
    for again in (Signaling(), Signaling(name="support")):
        with pytest.raises(RuntimeError, match=r'give one of the two a name, such as Signaling\(name="support"\)'):
            again.init_app(made)


def test_a_blueprint_of_the_app_with_our_name_needs_another_name():
    made = app()
    made.register_blueprint(Blueprint("signaling", __name__))
    with pytest.raises(RuntimeError, match=r"a blueprint named 'signaling' already: .* Signaling\(name="):
        Signaling(made)
    Signaling(made, name="calls")
    assert made.test_client().get("/calls/healthz").status_code == 200


def test_two_instances_cannot_be_at_one_path():
    made = app(open=True)
    Signaling(made, url_prefix="/call")
    with pytest.raises(RuntimeError, match="an instance of the service under /call already"):
        Signaling(made, name="support", url_prefix="/call")
    assert "signaling.support" not in made.extensions


def test_the_object_finds_the_node_of_the_current_app():
    first, second, other = app("first"), app("second"), app("other")
    recipe, named = Signaling(), Signaling(name="support")
    for each in (first, second):
        recipe.init_app(each)
        named.init_app(each)
    Signaling(other)
    for each in (first, second):
        with each.app_context():
            assert recipe._service() is node_of(each)
            assert recipe.calls() == []
            assert named._service() is each.extensions["signaling.support"]
    with other.app_context(), pytest.raises(RuntimeError, match="does not serve the app 'other': call init_app"):
        recipe.calls()
    with pytest.raises(RuntimeError, match="application context"):
        recipe._service()


def test_an_app_that_is_gone_is_not_kept_in_memory():
    recipe = Signaling()
    gone = app("gone")
    recipe.init_app(gone)
    reference = weakref.ref(gone)
    del gone
    gc.collect()
    assert reference() is None
