"""The image and compose.yaml, as an operator uses them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.address import Address
from tests.containers.conftest import IMAGE, NAME, Compose, place_certificate, wait_until_healthy
from tests.containers.machine import Machine
from tests.driver import ROOT, Client, meet

# The image is built in the first test: half a minute, when the machine is at it alone.


def test_two_users_call_through_it(machine: Machine, service: Address):
    with machine.network():
        alice, bob = meet(service)
    with alice, bob:
        alice.send(type="message", data={"type": "offer", "sdp": "v=0"})
        assert bob.receive() == {"type": "message", "data": {"type": "offer", "sdp": "v=0"}, "from": "alice"}


def test_the_command_of_the_operator_holds_a_call_inside(machine: Machine, service: Address):
    inside = ("podman", "exec", NAME, "python", "-m", "signaling.host", "check", "--ca", "/tls/fullchain.pem")
    assert "two users met" in machine.run(*inside).stdout


def test_it_has_no_privilege_and_nothing_to_write_to(machine: Machine, service: Address):
    status = machine.run("podman", "exec", NAME, "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert set(facts["Uid"].split()) == {"10001"}
    assert int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    written = machine.run("podman", "exec", "--user=root", NAME, "touch", "/app/new", check=False)
    assert "Read-only file system" in written.stdout


def test_a_renewed_certificate_is_taken_up(machine: Machine, service: Address):
    with machine.network(), Client(service) as early:
        early.join("alice", "bob")
        place_certificate(service.certificate.parent)
        service.wait_until_trusted()
        assert early.quiet()


def test_stopping_tells_the_clients_to_come_back(machine: Machine, compose: Compose, service: Address):
    with machine.network():
        clients = meet(service)
    compose("stop")
    assert [client.closed()[0] for client in clients] == [1012, 1012]
    # Who does not stop in time is killed, and that is 137.
    assert machine.run("podman", "inspect", "--format={{.State.ExitCode}}", NAME).stdout == "0\n"


def test_a_wrong_setting_ends_it_with_one_line(compose: Compose):
    started = compose("run", "--rm", "-T", "signaling", check=False, SIGNALING_PING_INTERVAL=0)
    assert started.returncode == os.EX_CONFIG
    assert re.findall("^The signaling server does not start: .*", started.stdout, re.MULTILINE) == [
        "The signaling server does not start: SIGNALING_PING_INTERVAL: '0' is not usable; "
        "write a number from 0.01 to 86400 (default 25.0)"
    ]


def test_the_image_needs_no_folder_of_its_own_to_write_to(machine: Machine, compose: Compose):
    # podman makes /tmp writable where the root filesystem is not, and Docker does not.
    read_only = ["--read-only", "--read-only-tmpfs=false", "--ulimit=nproc=4096", "--ulimit=nofile=10500"]
    machine.run("podman", "run", "--detach", "--name=lone", "--network=none", *read_only, IMAGE)
    try:
        wait_until_healthy(machine, "lone")
        assert "Read-only file system" in machine.run("podman", "exec", "lone", "touch", "/tmp/new", check=False).stdout
    finally:
        machine.run("podman", "rm", "--force", "lone")


def test_a_misspelled_name_in_the_file_of_settings_ends_it(machine: Machine, compose: Compose, tmp_path: Path):
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    (tmp_path / ".env").write_text("PORT=9000\nSIGNALING_BIND=127.0.0.1\nSIGNALING_JWT_KEYS=secret\n")
    started = compose("run", "--rm", "-T", "signaling", check=False, file=tmp_path / "compose.yaml")
    assert started.returncode == os.EX_CONFIG
    assert "does not start: SIGNALING_JWT_KEYS is not a setting; write SIGNALING_JWT_KEY\n" in started.stdout
