"""What else an operator may want: port 443, a TURN server and Redis on the same host."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from tests.deployment.controller import Controller, Play
from tests.deployment.network import reaches
from tests.deployment.rig import OPTIONS
from tests.deployment.service import TURN_PORT, TURN_TLS_PORT, Service
from tests.deployment.unit import Unit
from tests.deployment.vm import VM
from tests.driver import ROOT
from tests.relays import Relays, relays
from tests.waiting import wait_until

CAP_NET_BIND_SERVICE = 1 << 10
# The users' name server knows the domain; here a namespace with its own hosts file does.
WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


def certificate(service: Service) -> x509.Certificate:
    """What the TURN server shows; one that is not good for the domain is an error."""
    with (
        socket.create_connection((service.address, TURN_TLS_PORT), 20) as tcp,
        service.trust.wrap_socket(tcp, server_hostname=service.domain) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)


def test_a_port_below_1024_takes_one_right(service: Service, turn: Service, unit: Unit, vm: VM):
    with turn.call() as call:
        assert call.goes_on()
    assert not reaches(service.address, service.port)
    status = dict(line.split(":\t") for line in vm.ssh(f"sudo cat /proc/{unit.workers[0]}/status").splitlines())
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == CAP_NET_BIND_SERVICE
    assert "0" not in status["Uid"].split()


def test_users_of_one_process_meet_users_of_the_other(turn: Service, unit: Unit, vm: VM):
    """By Redis, and it may restart meanwhile: the processes stay."""
    workers = unit.workers
    assert len(workers) == 2
    # Which process has whom is chance: that all have both of theirs in one is one in a thousand.
    with ExitStack() as calls:
        assert all(calls.enter_context(turn.call()).goes_on() for _ in range(10))
    vm.root("systemctl restart redis-server.service")
    wait_until(turn.lets_meet)
    with ExitStack() as calls:
        assert all(calls.enter_context(turn.call()).goes_on() for _ in range(10))
    assert unit.workers == workers
    assert "redis" in unit.show("After")
    assert "redis" not in unit.show("Requires")


def test_a_call_by_the_relay_alone(turn: Service, controller: Controller, tmp_path: Path):
    """By each of the TURN URLs: over UDP, TCP, and TLS with the certificate of the service."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{turn.address} {turn.domain}\n")
    client = [sys.executable, "-m", "signaling.client", turn.url, "--ca", controller.authority, "--check", "--relay"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", WITH_HOSTS, hosts, *client], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "a call through TURN: connected" in done.stdout
    _, relay = turn.ice_servers()
    assert len(relay["urls"]) == 3


def test_a_check_asks_for_a_relay(turn: Service, controller: Controller):
    """With the credentials of the service, by each URL, and with data both ways."""
    play = controller.play("check.yml", **OPTIONS)
    assert play.ok, play.output
    assert play.changed == 0
    assert play.output.count("a relay, both ways") == 3
    for unit in ("coturn.service", "redis-server.service"):
        assert play.says(f"{unit} is active and enabled")


def with_secrets(value: str) -> str:
    """The command that gives each of coturn's secrets the value of an SQL expression."""
    change = (
        "import sqlite3; database = sqlite3.connect('/var/lib/turn/turndb'); "
        f"database.execute('UPDATE turn_secret SET value = {value}'); database.commit()"
    )
    return f'runuser --user=turnserver -- python3 -c "{change}"'


@pytest.mark.parametrize(
    ("breakage", "repair", "words"),
    [
        ("systemctl stop coturn", "systemctl start coturn", "coturn.service is inactive and enabled"),
        ("systemctl stop redis-server", "systemctl start redis-server", "redis-server.service is inactive"),
        (
            "ufw delete allow 49152:65535/udp",
            "ufw allow 49152:65535/udp comment ansible",
            "the UDP ports from coturn_min_port to coturn_max_port must be open",
        ),
        (
            with_secrets("value || 0"),
            with_secrets("substr(value, 1, length(value) - 1)"),
            "it answers 401 Unauthorized",
        ),
    ],
    ids=["coturn is stopped", "Redis is stopped", "the relay's ports are closed", "another secret"],
)
def test_a_check_fails(turn: Service, controller: Controller, vm: VM, breakage: str, repair: str, words: str):
    vm.root(breakage)
    try:
        play = controller.play("check.yml", **OPTIONS)
    finally:
        vm.root(repair)
    assert not play.ok
    assert play.says(words), play.output


def test_a_second_play_changes_nothing(turn: Service, controller: Controller):
    play = controller.play("site.yml", **OPTIONS)
    assert play.ok, play.output
    assert play.changed == 0, play.output


def test_the_secret_is_for_the_two_servers_alone(turn: Service, vm: VM):
    secret = vm.root("cat /etc/coturn/secret").strip()
    assert len(secret) == 64
    kept, ours, theirs = "/etc/coturn/secret", "/etc/signaling/settings.d/20-turn.env", "/var/lib/turn/turndb"
    assert sorted(vm.root(f"grep --recursive --files-with-matches {secret} /etc").split()) == [kept, ours]
    databases = vm.root(f"grep --recursive --files-with-matches {secret} /var/lib/turn").split()
    assert databases
    assert all(name.startswith(theirs) for name in databases)
    foreign = [
        ("turnserver", ours),
        *(("signaling", file) for file in databases),
        *(("nobody", file) for file in (kept, ours, *databases)),
    ]
    for reader, file in foreign:
        assert vm.ssh(f"sudo runuser -u {reader} -- cat {file}", check=False) == ""


def test_a_renewed_certificate_is_taken_up(turn: Service, vm: VM):
    """With a relay of a call under way, which a restart would end: the process stays."""
    first = certificate(turn).serial_number
    process = vm.ssh("systemctl show coturn.service --property=MainPID")
    vm.root("certbot renew --force-renewal --no-random-sleep-on-renew")
    wait_until(lambda: certificate(turn).serial_number != first)
    wait_until(lambda: certificate(turn).serial_number == turn.certificate().serial_number)
    assert vm.ssh("systemctl show coturn.service --property=MainPID") == process


def test_the_secret_changes_while_relays_and_a_call_go_on(turn: Service, controller: Controller, vm: VM):
    """coturn is not restarted. Until the change ends, credentials of both secrets are good."""
    server = turn.address, TURN_PORT
    process = vm.ssh("systemctl show coturn.service --property=MainPID")
    before, secret = turn.turn_credentials(), vm.root("cat /etc/coturn/secret")
    with Relays(server, *before) as begun, turn.call() as call:
        play = controller.play("rotate.yml", secret="turn", **OPTIONS)
        assert play.ok, play.output
        assert call.close_codes() == [1012, 1012]
        assert vm.root("cat /etc/coturn/secret") != secret
        after = turn.turn_credentials()
        assert relays(server, *before)
        assert relays(server, *after)
        for playbook, variables in (("rotate.yml", {"secret": "turn"}), ("site.yml", {})):
            again = controller.play(playbook, **variables, **OPTIONS)
            assert again.ok, again.output
            assert again.changed == 0, again.output
        early = controller.play("rotate.yml", secret="turn", finish=True, **OPTIONS)
        assert not early.ok
        assert early.says("clients may have credentials of the old secret, which are good for SIGNALING_TURN_TTL=86400")
        assert relays(server, *before)
        end = controller.play("rotate.yml", secret="turn", finish=True, force=True, **OPTIONS)
        assert end.ok, end.output
        assert relays(server, *after)
        assert not relays(server, *before)
        begun.carry()
    assert secret.strip() not in vm.root("grep --recursive . /etc/coturn /etc/signaling /opt/signaling/deployments")
    assert vm.ssh("systemctl show coturn.service --property=MainPID") == process
    with turn.call() as call:
        assert call.goes_on()


def test_a_setting_changes_only_from_the_present_value_and_comes_back_if_the_service_fails(
    turn: Service, controller: Controller, unit: Unit
):
    """A play that would lock somebody out stops before it touches the host."""
    given, process = {"SIGNALING_TLS_RELOAD_INTERVAL": 1}, unit.master

    def rotate(secret: str, finish: bool = False, **settings: str) -> Play:
        return controller.play(
            "rotate.yml", secret=secret, finish=finish, signaling_settings=given | settings, **OPTIONS
        )

    for secret, settings, reason in (
        ("nothing", {}, 'secret: "nothing" is no secret; there are turn, redis, jwt'),
        ("ops", {}, "set SIGNALING_OPS_TOKEN_FALLBACK to the present value, and SIGNALING_OPS_TOKEN to the new one"),
        ("redis", {}, "secret=redis: redis_enabled is false, or redis_port is 0"),
        (
            "ops",
            {"SIGNALING_OPS_TOKEN": "new", "SIGNALING_OPS_TOKEN_FALLBACK": "not the present one"},
            "SIGNALING_OPS_TOKEN_FALLBACK is not the present value",
        ),
    ):
        play = rotate(secret, **settings)
        assert not play.ok
        assert play.says(reason), play.output
        assert "the present one" not in play.output
    assert unit.master == process

    key = "k" * 32
    deployed = controller.play("site.yml", signaling_settings=given | {"SIGNALING_JWT_KEY": key}, **OPTIONS)
    assert deployed.ok, deployed.output
    play = rotate("jwt", SIGNALING_JWT_KEY="too short", SIGNALING_JWT_KEY_FALLBACK=key)
    assert not play.ok
    assert play.says("fails on"), play.output
    assert play.says("SIGNALING_JWT_KEY"), play.output
    known = Service(turn.domain, turn.address, turn.port, turn.root, key)
    with known.call() as call:
        assert call.goes_on()
    assert controller.play("site.yml", **OPTIONS).ok
