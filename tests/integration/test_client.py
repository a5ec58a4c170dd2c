"""The client for machines, as an operator runs it: real calls through the server, direct and by a TURN server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.coturn import Coturn
from tests.driver import ROOT, Client, Server
from tests.long import rest_long
from tests.waiting import TIMEOUT

CLIENT = [sys.executable, "-m", "signaling.client"]
GOOD = r"connected, \d\d+ pictures, echo after [\d.]+ ms\n"


def command(server: Server, *arguments: object) -> list[str]:
    trust = ["--ca", str(server.certificate)] if server.certificate else []
    return [*CLIENT, server.ws_url, *trust, *map(str, arguments)]


def run(server: Server, *arguments: object) -> subprocess.CompletedProcess[str]:
    if "--timeout" not in arguments:
        arguments += ("--timeout", TIMEOUT)
    return subprocess.run(command(server, *arguments), capture_output=True, text=True, cwd=ROOT, timeout=2 * TIMEOUT)


@contextmanager
def there(server: Server, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Somebody who waits in a room already."""
    with subprocess.Popen(
        command(server, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout
            assert " is in room_" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_one_command_proves_a_server_and_keeps_nothing_of_it(server: Server):
    done = run(server, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(re.escape(f"{server.ws_url}: a call: ") + GOOD, done.stdout)
    assert server.health()["rooms"] == 0


def test_one_command_proves_each_turn_server(relayed: Server, coturn: Coturn):
    done = run(relayed, "--check", "--relay")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(re.escape(f"{relayed.ws_url}: a call through TURN: ") + GOOD, done.stdout)


@pytest.mark.long
@pytest.mark.parametrize("way", ["tcp", "tls"])
def test_the_pictures_go_to_the_turn_server_over_tcp_and_tls_as_well(certificate, coturn: Coturn, way: str):
    with Server(certificate, **coturn.settings | {"SIGNALING_TURN_URLS": coturn.urls[way]}) as server:
        done = run(server, "--check", "--relay")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("relay", rest_long([[], ["--relay"]]), ids=["direct", "relay"])
def test_one_instance_checks_against_another_again_and_again(relayed: Server, relay: list[str]):
    """The other one echoes, and waits for the next call; it says what came when it is told to stop."""
    with there(relayed, "bob", "alice", *relay) as bob:
        for _ in range(2):
            done = run(relayed, "alice", "bob", "--check", *relay)
            assert (done.returncode, done.stderr) == (0, "")
        bob.send_signal(signal.SIGTERM)
        said, faults = bob.communicate(timeout=TIMEOUT)
        assert (bob.returncode, faults) == (0, "")
    assert said.count("alice is here\n") == 2
    assert re.search(r"alice left; so far \d+ pictures, 1 echoed\n", said)
    pictures, echoed = map(int, re.findall(r"\d+", said.splitlines()[-1]))
    assert (pictures > 10, echoed) == (True, 2)


@pytest.mark.long
def test_two_checks_pass_each_other(server: Server):
    arguments = ("carol", "dave", "--check", "--timeout", TIMEOUT)
    with subprocess.Popen(command(server, *arguments), stdout=subprocess.PIPE, cwd=ROOT) as carol:
        assert run(server, "dave", "carol", "--check").returncode == 0
        assert carol.wait(TIMEOUT) == 0


def test_nobody_there_fails_in_time(server: Server):
    done = run(server, "alice", "nobody", "--check", "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{server.ws_url}: no call within 0.5 s: not begun, 0 pictures, no echo\n"


def test_a_peer_that_never_answers_fails_in_time(server: Server):
    with Client(server) as silent:
        silent.join("silent", "alice")
        done = run(server, "alice", "silent", "--check", "--timeout", "2")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "no call within 2 s: " in done.stderr


@pytest.mark.parametrize("sdp", rest_long(["", "v=0", "nonsense\r\n", "v=0\r\nm=audio x UDP 0\r\n"]))
def test_a_description_that_makes_no_sense_is_one_line(server: Server, sdp: str):
    with there(server, "ivan", "judy") as ivan, Client(server) as judy:
        judy.join("judy", "ivan")
        judy.send(type="message", data={"type": "offer", "sdp": sdp})
        _, faults = ivan.communicate(timeout=TIMEOUT)
        assert (ivan.returncode, faults.count("\n")) == (1, 1)
        assert "the offer of judy cannot be used: " in faults


def test_a_turn_server_that_refuses_is_named(certificate, coturn: Coturn):
    with Server(certificate, **coturn.settings | {"SIGNALING_TURN_SECRET": "another"}) as server:
        done = run(server, "--check", "--relay")
        assert done.returncode == 1
        for url in coturn.urls.values():
            assert f"{url}: STUN transaction failed (401 - Unauthorized)" in done.stderr
        assert run(server, "--check").returncode == 0, "which no direct call needs"


@pytest.mark.long
def test_a_turn_server_that_lets_nobody_through_fails_in_time(certificate, tmp_path: Path):
    """Each user gets a relay, and neither relay may reach the other."""
    with Coturn(tmp_path, certificate, lets_through=False) as closed, Server(certificate, **closed.settings) as server:
        done = run(server, "--check", "--relay", "--timeout", "8")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "0 pictures, no echo" in done.stderr


@pytest.mark.long
def test_one_dead_url_among_good_ones_fails(certificate, coturn: Coturn):
    dead = "turn:127.0.0.1:1?transport=tcp"
    settings = coturn.settings | {"SIGNALING_TURN_URLS": f"{coturn.urls['udp']} {dead}"}
    with Server(certificate, **settings) as server:
        done = run(server, "--check", "--relay")
        assert done.returncode == 1
        assert done.stderr.startswith(f"{server.ws_url}: {dead}: ")


def test_no_turn_server_where_one_is_needed_fails(server: Server):
    done = run(server, "--check", "--relay")
    assert (done.returncode, done.stderr) == (1, f"{server.ws_url}: the server names no TURN server\n")


def test_a_refused_join_fails_with_the_servers_words(server: Server):
    done = run(server, "alice", "alice", "--check")
    assert (done.returncode, done.stderr) == (1, f"{server.ws_url}: User cannot connect to themselves\n")


def test_who_is_replaced_ends(server: Server):
    with there(server, "erin", "frank") as old, Client(server) as new:
        new.join("erin", "frank")
        assert old.wait(TIMEOUT) == 1
        assert old.stderr
        assert "disconnected due to a new connection" in old.stderr.read()


def test_a_certificate_that_is_not_trusted_fails(server: Server, tmp_path):
    other = make_certificate(tmp_path / "other.crt")
    done = subprocess.run(
        [*CLIENT, server.ws_url, "--ca", other, "--check"], capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT
    )
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


@pytest.mark.parametrize("arguments", rest_long([[], ["alice"], ["alice", "--check"]]))
def test_a_user_alone_is_no_pair(server: Server, arguments: list[str]):
    done = run(server, *arguments)
    assert done.returncode == 2
    assert "name both users" in done.stderr


@pytest.mark.long
def test_who_was_lost_and_comes_back_is_called_again(server: Server):
    with there(server, "grace", "heidi") as grace:
        assert grace.stdout
        with there(server, "heidi", "grace") as heidi:
            assert grace.stdout.readline() == "heidi is here\n"
            heidi.kill()
        assert grace.stdout.readline().startswith("heidi left; so far ")
        assert run(server, "heidi", "grace", "--check").returncode == 0
