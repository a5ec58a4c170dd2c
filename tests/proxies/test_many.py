"""Several hosts behind nginx and HAProxy, with the configurations that docs/proxies gives for them.

A host is a server of its own on loopback, with one worker; they share a Redis.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from tests.driver import ROOT, Client, Server
from tests.proxies.conftest import StartProxy
from tests.proxies.proxy import HAProxy, ManyBehindHAProxy, ManyBehindNginx, Nginx, Proxy, free_port
from tests.proxies.test_proxies import APP, assert_only_the_own_origin, call, status
from tests.redis_server import Redis, redis_server
from tests.waiting import wait_until

NODE_TIMEOUT = 8


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


@pytest.fixture(params=[ManyBehindNginx, ManyBehindHAProxy], ids=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> type[Proxy]:
    return request.param


class Host(Server):
    """A server that shares its rooms, and can be killed as a whole."""

    def __init__(self, redis: Redis, port: int, **settings: Any) -> None:
        settings = {"WEB_CONCURRENCY": 1, "SIGNALING_NODE_TIMEOUT": NODE_TIMEOUT} | settings
        super().__init__(SIGNALING_BIND="127.0.0.1", PORT=port, SIGNALING_REDIS_URL=redis.url, **settings)

    @property
    def own(self) -> dict[str, Any]:
        """The figures of its worker alone."""
        health = self.health()
        return next(node for node in health["nodes"] if node["node"] == health["node"])

    @property
    def clients(self) -> int:
        return self.own["connections"]

    def kill(self) -> None:
        """End all its processes at once, as the loss of a machine does."""
        os.kill(self.process.pid, signal.SIGSTOP)
        for worker in re.findall(r"Booting worker with pid: (\d+)", "\n".join(self.log)):
            os.kill(int(worker), signal.SIGKILL)
        os.kill(self.process.pid, signal.SIGKILL)


@contextmanager
def two_hosts(redis: Redis, **settings: Any) -> Iterator[tuple[Host, Host]]:
    port, other_port = free_port(), free_port()
    # What is left of others in Redis is nothing to them.
    settings["SIGNALING_REDIS_PREFIX"] = f"test-{port}"
    with ExitStack() as running:
        # Both start at the same time.
        one, other = Host(redis, port, **settings), Host(redis, other_port, **settings)
        running.enter_context(one)
        running.enter_context(other)
        yield one, other


@pytest.fixture(scope="module")
def hosts(redis: Redis) -> Iterator[tuple[Host, Host]]:
    """Those of all the tests that leave them as they found them."""
    with two_hosts(redis) as running:
        yield running


@pytest.fixture(scope="module")
def shops(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    """Hosts that run an app of somebody else's, and let an address have one connection, by a page of their own."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(APP)
    where = {"app": "shop:app", "health": "/call/healthz", "PYTHONPATH": f"{folder}:{ROOT}"}
    settings = {"SIGNALING_TRUSTED_PROXIES": "127.0.0.1", "SIGNALING_CONNECTIONS_PER_IP": 1}
    settings["SIGNALING_ALLOWED_ORIGINS"] = "https://app.example.org"
    with two_hosts(redis, **settings, **where) as running:
        yield running


@pytest.fixture
def proxy(kind: type[Proxy], hosts: tuple[Host, Host], start_proxy: StartProxy) -> Proxy:
    return start_proxy(kind, ports(hosts))


@pytest.fixture
def shop(kind: type[Proxy], shops: tuple[Host, Host], start_proxy: StartProxy) -> Proxy:
    health = {"uri /healthz": "uri /call/healthz"} if issubclass(kind, HAProxy) else {}
    return start_proxy(kind, ports(shops), health)


def ports(hosts: tuple[Host, Host]) -> list[int]:
    return [host.port for host in hosts]


def published(redis: Redis) -> int:
    """How often anything was published, by a worker or by a script."""
    statistics = redis.ask("INFO", "commandstats")
    assert isinstance(statistics, bytes)
    return sum(int(calls) for calls in re.findall(rb"cmdstat_publish:calls=(\d+)", statistics))


def put_apart(proxy: Proxy, hosts: tuple[Host, Host]) -> tuple[Client, Host, Client, Host]:
    """A call through the proxy, its ends on two hosts: each end, and the host it is on."""
    alice = Client(proxy.https)
    here, there = hosts if hosts[0].clients else hosts[::-1]
    bob = Client(proxy.https)
    assert [here.clients, there.clients] == [1, 1]
    begin(alice, bob)
    return alice, here, bob, there


def test_two_users_meet_on_different_hosts(proxy: Proxy, hosts: tuple[Host, Host], redis: Redis):
    before = published(redis)
    alice, _, bob, _ = put_apart(proxy, hosts)
    with alice, bob:
        talk(alice, bob)
        assert published(redis) > before
        bob.close()
        assert alice.receive()["reason"] == "left"


def test_two_users_meet_wherever_several_workers_of_two_hosts_put_them(redis: Redis, start_proxy: StartProxy):
    with two_hosts(redis, WEB_CONCURRENCY=2) as hosts:
        proxy = start_proxy(ManyBehindHAProxy, ports(hosts))
        for _ in range(10):
            call(proxy.https)


def test_who_comes_while_a_host_drains_is_put_on_another_where_calls_go_on(
    kind: type[Proxy], redis: Redis, start_proxy: StartProxy
):
    # Who does not answer the close frame holds up the end of its host: until the test reads it, there is time to come.
    with two_hosts(redis, SIGNALING_CLOSE_TIMEOUT=600, SIGNALING_DRAIN_SECONDS=600) as hosts, ExitStack() as here:
        proxy = start_proxy(kind, ports(hosts))
        draining, staying = hosts
        there: dict[Host, list[Client]] = {host: [] for host in hosts}
        for _ in range(4):
            counts = {host: host.clients for host in hosts}
            client = here.enter_context(Client(proxy.https))
            there[next(host for host in hosts if host.clients > counts[host])].append(client)
        (alice, bob), (carol, dave) = there[draining], there[staying]
        begin(alice, bob)
        begin(carol, dave, "carol", "dave")
        draining.signal(signal.SIGTERM)
        draining.wait_for_log("Telling 2 clients")
        for number in range(20):
            newcomer = here.enter_context(Client(proxy.https))
            assert newcomer.join(f"new {number}", "nobody")[0]["type"] == "created"
        assert draining.process.poll() is None, "it was gone before anybody came"
        assert staying.clients == 22
        talk(carol, dave)
        assert [alice.closed()[0], bob.closed()[0]] == [1012, 1012]
        assert draining.wait() == 0
        talk(carol, dave)


def test_when_a_host_is_killed_its_peers_hear_of_it_and_it_is_left_out(
    kind: type[Proxy], redis: Redis, start_proxy: StartProxy
):
    with two_hosts(redis) as hosts:
        proxy = start_proxy(kind, ports(hosts))
        alice, here, bob, there = put_apart(proxy, hosts)
        with alice, bob:
            there.kill()
            assert bob.closed() == (1006, "")
            bye = alice.receive()
            assert (bye["type"], bye["reason"]) == ("bye", "lost")
            assert alice.receive()["type"] == "roomInfo"
            # He comes back, as everybody does whose connection ended: there is one host to come to.
            with Client(proxy.https) as again:
                again.join("bob", "alice")
                assert [alice.receive()["type"], alice.receive()["type"]] == ["ready", "roomInfo"]
                talk(alice, again)
                assert here.clients == 2


def test_without_any_host_there_is_an_error_and_one_that_is_back_is_taken_in_again(
    kind: type[Proxy], redis: Redis, start_proxy: StartProxy
):
    with two_hosts(redis) as hosts:
        proxy = start_proxy(kind, ports(hosts))
        call(proxy.https)
        for host in hosts:
            host.signal(signal.SIGTERM)
        wait_until(lambda: status(proxy.https) == (502 if issubclass(kind, Nginx) else 503))
        hosts[0].wait()
        with Host(redis, hosts[0].port):
            wait_until(lambda: status(proxy.https) == 200)
            call(proxy.https)


def test_haproxy_finds_out_that_a_host_stands_still(redis: Redis, start_proxy: StartProxy):
    with two_hosts(redis) as hosts:
        proxy = start_proxy(ManyBehindHAProxy, ports(hosts))
        os.kill(hosts[0].worker, signal.SIGSTOP)
        try:
            wait_until(lambda: "Server signaling/one is DOWN" in proxy.log.read_text(), told=proxy.log.read_text)
            for _ in range(4):
                call(proxy.https)
        finally:
            os.kill(hosts[0].worker, signal.SIGCONT)


def test_behind_nginx_who_comes_to_a_host_that_stands_still_waits_and_comes_to_another(
    redis: Redis, start_proxy: StartProxy
):
    with two_hosts(redis) as hosts:
        proxy = start_proxy(ManyBehindNginx, ports(hosts), {"proxy_read_timeout 120s;": "proxy_read_timeout 5s;"})
        still, going = hosts
        os.kill(still.worker, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with Client(proxy.https) as alice, Client(proxy.https) as bob:
                begin(alice, bob)
                assert going.clients == 2
            # One of the two was put there, or was the first to be.
            assert time.monotonic() - begun > 5
        finally:
            os.kill(still.worker, signal.SIGCONT)


def test_with_a_hash_of_the_pair_nothing_crosses_redis(
    kind: type[Proxy], hosts: tuple[Host, Host], redis: Redis, start_proxy: StartProxy
):
    proxy = start_proxy(kind, ports(hosts), kind.sharded)
    before = published(redis)
    with ExitStack() as here:
        for number in range(16):
            one, other = pair = sorted((f"alice {number}", f"bob {number}"))
            place = f"/?pair={quote(','.join(pair))}"
            alice, bob = (here.enter_context(Client(proxy.https, place)) for _ in range(2))
            begin(alice, bob, one, other)
            if number % 2:
                bob.close()
                assert alice.receive()["type"] == "bye"
        # Each pair is in one place, and both hosts have their part.
        rooms = [host.own["rooms"] for host in hosts]
        assert sum(rooms) == 16
        assert min(rooms) > 0
    assert published(redis) == before


def test_when_the_host_of_a_pair_is_gone_both_ends_come_to_another(
    kind: type[Proxy], redis: Redis, start_proxy: StartProxy
):
    with two_hosts(redis) as hosts, ExitStack() as here:
        proxy = start_proxy(kind, ports(hosts), kind.sharded)
        hosts[0].kill()
        for number in range(4):
            for _ in range(2):
                here.enter_context(Client(proxy.https, f"/?pair={number}"))
        assert hosts[1].clients == 8


def test_who_names_no_pair_is_put_anywhere(kind: type[Proxy], hosts: tuple[Host, Host], start_proxy: StartProxy):
    proxy = start_proxy(kind, ports(hosts), kind.sharded)
    with ExitStack() as here:
        for _ in range(16):
            here.enter_context(Client(proxy.https))
        assert min(host.clients for host in hosts) > 0


def test_a_host_is_told_who_asks_and_how_and_nothing_that_the_client_made_up(shop: Proxy):
    invented = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http", "Host": "signaling.example.org"}
    with shop.https.open("/headers", **invented) as answer:
        headers = json.load(answer)
    assert headers["X-Forwarded-For"] in {"127.0.0.1", "::1"}
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == "signaling.example.org"


def test_the_limit_of_an_address_is_the_clients_and_not_the_proxys(shop: Proxy):
    with ExitStack() as here:
        # Each worker counts its own, and there are two.
        for _ in range(2):
            here.enter_context(Client(shop.https, "/call/", source="127.0.0.2"))
        with pytest.raises(InvalidStatus, match="429"):
            Client(shop.https, "/call/", source="127.0.0.2")
        here.enter_context(Client(shop.https, "/call/", source="127.0.0.3"))


def test_a_page_of_the_proxys_own_origin_may_connect_at_any_port(shop: Proxy):
    assert_only_the_own_origin(shop.https, "/call/", source="127.0.0.4")


def begin(first: Client, second: Client, one: str = "alice", other: str = "bob") -> None:
    """A call of these two."""
    first.join(one, other)
    second.join(other, one)
    assert [first.receive()["type"], first.receive()["type"]] == ["ready", "roomInfo"]
    talk(first, second)


def talk(one: Client, other: Client) -> None:
    """Each hears the other."""
    for speaker, listener in (one, other), (other, one):
        speaker.send(type="message", data="hello")
        assert listener.receive()["data"] == "hello"
