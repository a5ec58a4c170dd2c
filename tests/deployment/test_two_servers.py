"""Two signaling servers that are one by a Redis: the inventory example-three.

The first one was all by itself until now, with a TURN server and a Redis of its own.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from signaling import __version__
from tests.deployment.controller import Controller, Play
from tests.deployment.network import reaches
from tests.deployment.rig import Rig
from tests.deployment.service import TURN_TLS_PORT, Service
from tests.deployment.vm import VM
from tests.waiting import wait_until

INVENTORY = "inventories/three"
SIGNALING, REDIS = ("s1.example.org", "s2.example.org"), "redis.example.org"
PORT = 6380

# What a signaling server gets to hear that knows the authority, and the password it gives.
PING = """
import socket, ssl, sys
address, port, password = sys.argv[1:]
trust = ssl.create_default_context(cafile="/etc/signaling/redis-ca.pem")
with trust.wrap_socket(socket.create_connection((address, int(port)), 5), server_hostname=address) as redis:
    commands = redis.makefile("rw", newline="\\r\\n")
    if password:
        print("AUTH", password, file=commands, flush=True)
        print(commands.readline().strip())
    print("PING", file=commands, flush=True)
    print(commands.readline().strip())
"""


@dataclass(frozen=True)
class Cluster:
    """The machines, what users see of the two servers, and how the first play went."""

    vms: dict[str, VM]
    services: list[Service]
    password: str
    first: Play

    def processes(self) -> list[str]:
        show = "systemctl show signaling.service --property=MainPID --value"
        return [self.vms[name].ssh(show) for name in SIGNALING]

    def versions(self) -> list[str]:
        """Return the version that runs on each of the two."""
        state = [json.loads(self.vms[name].ssh("cat /run/signaling/state.json")) for name in SIGNALING]
        return [str(each["version"]) for each in state]

    def ask_redis(self, name: str, password: str) -> str:
        """Return what Redis answers a host that connects to it as a signaling server does."""
        return self.vms[name].root(shlex.join(["python3", "-c", PING, self.vms[REDIS].address, str(PORT), password]))


@pytest.fixture(scope="module")
def cluster(rig: Rig, turn: Service, vm: VM, controller: Controller) -> Iterator[Cluster]:
    with rig.beside(SIGNALING[1]) as second, rig.beside(REDIS) as redis:
        vms = {SIGNALING[0]: vm, SIGNALING[1]: second, REDIS: redis}
        rig.acme.lead(SIGNALING[0], vm.address)
        controller.follow("example-three", INVENTORY, vms)
        password = secrets.token_hex(32)
        controller.lock_away(f"{INVENTORY}/group_vars/all/vault.yml", vault_redis_password=password)
        services = [Service(name, vms[name].address, 8443, rig.acme.root) for name in SIGNALING]
        yield Cluster(vms, services, password, controller.play("site.yml", INVENTORY))


def test_users_of_one_server_meet_users_of_the_other(cluster: Cluster):
    assert cluster.first.ok, cluster.first.output
    one, other = cluster.services
    for service in cluster.services:
        assert service.health()["redis"] == "up"
    with one.call(other) as call:
        assert call.goes_on()


def test_of_what_the_first_had_by_itself_nothing_is_left_open(cluster: Cluster, turn: Service):
    assert cluster.first.ok, cluster.first.output
    for port in (turn.port, TURN_TLS_PORT):
        assert not reaches(turn.address, port)
    vm = cluster.vms[SIGNALING[0]]
    assert "udp" not in vm.ssh("sudo ufw status")
    assert vm.ssh("systemctl is-active coturn.service redis-server.service", check=False) == "inactive\ninactive\n"
    assert cluster.services[0].ice_servers() == []


def test_a_second_play_changes_nothing_and_no_output_has_the_password(cluster: Cluster, controller: Controller):
    play = controller.play("site.yml", INVENTORY, "-vvv", "--diff")
    assert play.ok, play.output
    assert play.changed == 0, play.output
    assert cluster.password not in cluster.first.output + play.output
    # Before sudo notes what this test itself does.
    for vm in cluster.vms.values():
        assert cluster.password not in vm.root("journalctl --namespace='*'; ps -ef")
    holders = f"grep --recursive --files-with-matches {cluster.password} /etc /opt/signaling || true"
    for name, vm in cluster.vms.items():
        files = vm.root(holders).split()
        # What the role wrote, and the deployments that have a copy.
        assert {Path(file).name for file in files} == ({"30-redis.env"} if name in SIGNALING else set())
        modes = vm.root(shlex.join(["stat", "--format=%A %U:%G", *files])) if files else ""
        assert {*modes.splitlines()} <= {"-rw-r----- root:signaling"}


def test_only_the_signaling_servers_reach_redis_and_only_with_the_password(cluster: Cluster):
    redis = cluster.vms[REDIS]
    assert not reaches(redis.address, PORT)
    for name in SIGNALING:
        assert cluster.ask_redis(name, cluster.password).split() == ["+OK", "+PONG"]
        assert "NOAUTH" in cluster.ask_redis(name, "")
        assert "WRONGPASS" in cluster.ask_redis(name, "guessed")
    ports = {line.split()[3].rpartition(":")[2] for line in redis.ssh("ss -H --listening --tcp --numeric").splitlines()}
    assert ports == {"22", str(PORT)}


def test_redis_restarts_and_the_servers_do_not(cluster: Cluster):
    one, other = cluster.services
    processes = cluster.processes()
    cluster.vms[REDIS].root("systemctl restart redis-server.service")
    wait_until(lambda: one.lets_meet(other))
    assert cluster.processes() == processes


@contextmanager
def one_of_them_always_serves(cluster: Cluster) -> Iterator[None]:
    outages: list[str] = []
    done = threading.Event()

    def watch() -> None:
        # A server is away for longer, and handshakes without a pause would slow the play down.
        while not done.wait(0.1):
            if not any(service.health() for service in cluster.services):
                outages.append("none of them")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert outages == []


def test_a_changed_setting_restarts_one_of_them_after_the_other(cluster: Cluster, controller: Controller):
    before = cluster.processes()
    settings = {"SIGNALING_TLS_RELOAD_INTERVAL": 1, "SIGNALING_PING_INTERVAL": 41}
    with one_of_them_always_serves(cluster):
        play = controller.play("site.yml", INVENTORY, signaling_settings=settings)
    assert play.ok, play.output
    assert not set(before) & set(cluster.processes())


def test_a_rolling_upgrade_during_which_one_of_them_always_serves(cluster: Cluster, controller: Controller):
    controller.commit("signaling/version.py", '__version__ = "', '__version__ = "78.')
    one, other = cluster.services
    with one.call(other) as call:
        with one_of_them_always_serves(cluster):
            play = controller.play("upgrade.yml", INVENTORY)
        assert play.ok, play.output
        assert call.close_codes() == [1012, 1012]
    assert all(version.startswith("78.") for version in cluster.versions())
    with one.call(other) as call:
        assert call.goes_on()


def test_a_release_that_fails_is_taken_back_and_goes_no_further(cluster: Cluster, controller: Controller):
    processes = cluster.processes()
    controller.commit("wsgi.py", "create_app()", "create_app()\n\napp.before_request(lambda: ('broken', 500))")
    play = controller.play("upgrade.yml", INVENTORY)
    controller.take_back()
    assert not play.ok
    assert play.says(f"fails on {SIGNALING[0]}")
    assert re.search(r"Deployment 78\.\S+ runs again", play.output)
    assert cluster.processes()[1] == processes[1]
    assert all(version.startswith("78.") for version in cluster.versions())
    one, other = cluster.services
    assert one.lets_meet(other)


def test_a_rollback(cluster: Cluster, controller: Controller):
    play = controller.play("rollback.yml", INVENTORY)
    assert play.ok, play.output
    assert cluster.versions() == [__version__, __version__]
    one, other = cluster.services
    assert one.lets_meet(other)


def test_the_password_of_redis_changes_and_redis_does_not_restart(cluster: Cluster, controller: Controller):
    show = "systemctl show redis-server.service --property=MainPID"
    redis, vault = cluster.vms[REDIS], f"{INVENTORY}/group_vars/all/vault.yml"
    process, new = redis.ssh(show), secrets.token_hex(32)
    controller.lock_away(vault, vault_redis_password=new)

    def rotate(**variables: Any) -> Play:
        return controller.play("rotate.yml", INVENTORY, secret="redis", **variables)

    wrong = rotate(redis_password_fallback="0" * 64)
    assert not wrong.ok
    assert wrong.says("redis_password_fallback: it is not the present password of Redis")
    assert "WRONGPASS" in cluster.ask_redis(SIGNALING[0], new)
    early = rotate(finish=True)
    assert not early.ok
    assert early.says("redis_password: Redis does not have it yet")

    one, other = cluster.services
    with one.call(other) as call:
        play = rotate(redis_password_fallback=cluster.password)
        assert play.ok, play.output
        assert call.close_codes() == [1012, 1012]
    assert one.lets_meet(other)
    for password in (cluster.password, new):
        assert cluster.ask_redis(SIGNALING[0], password).split() == ["+OK", "+PONG"]
    again = rotate(redis_password_fallback=cluster.password)
    assert again.ok, again.output
    assert again.changed == 0, again.output

    with one.call(other) as call:
        end = rotate(finish=True)
        assert end.ok, end.output
        assert call.goes_on()
    assert "WRONGPASS" in cluster.ask_redis(SIGNALING[0], cluster.password)
    assert redis.ssh(show) == process
    assert one.lets_meet(other)
    assert not re.search(f"{new}|{cluster.password}", play.output + end.output + again.output)


def test_the_key_of_tokens_changes_host_by_host(cluster: Cluster, controller: Controller):
    """Tokens of both keys are good at both hosts, whichever the play is at; one of the hosts always serves."""
    first, second = secrets.token_hex(32), secrets.token_hex(32)

    def settings(**more: str) -> dict[str, Any]:
        return {"signaling_settings": {"SIGNALING_TLS_RELOAD_INTERVAL": 1, **more}}

    def users(key: str) -> list[Service]:
        return [Service(each.domain, each.address, each.port, each.root, key) for each in cluster.services]

    def meet(key: str) -> bool:
        one, other = users(key)
        return one.lets_meet(other)

    site = controller.play("site.yml", INVENTORY, **settings(SIGNALING_JWT_KEY=first))
    assert site.ok, site.output
    outages: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            if not any(service.lets_meet() for service in users(first)):
                outages.append("nobody could join with a token of the old key")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        both = settings(SIGNALING_JWT_KEY=second, SIGNALING_JWT_KEY_FALLBACK=first)
        play = controller.play("rotate.yml", INVENTORY, secret="jwt", **both)
    finally:
        done.set()
        watcher.join()
    assert play.ok, play.output
    assert outages == []
    assert meet(first)
    assert meet(second)
    end = controller.play("rotate.yml", INVENTORY, secret="jwt", finish=True, **settings(SIGNALING_JWT_KEY=second))
    assert end.ok, end.output
    assert meet(second)
    assert not meet(first)
    for name in SIGNALING:
        assert cluster.vms[name].root(f"grep --recursive --files-with-matches {first} /etc || true") == ""
    assert not re.search(f"{first}|{second}", play.output + end.output)
