"""The image and compose.yaml, as an operator uses them."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.address import Address
from tests.containers.conftest import BASE, IMAGE, NAME, RELEASE, Compose, place_certificate, wait_until_healthy
from tests.containers.machine import Machine
from tests.driver import ROOT, Client, meet
from tests.waiting import wait_until

# The program of this machine, as the image of Prometheus has it.
PROMETHEUS = f"""
FROM {BASE}
COPY prometheus /bin/prometheus
RUN mkdir /prometheus && chown 65534 /prometheus
USER 65534
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""

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


def test_it_knows_its_release_and_writes_its_state(machine: Machine, service: Address):
    shown = machine.run("podman", "exec", NAME, "python", "-m", "signaling.status", "--json").stdout
    found = json.loads(shown)
    assert (found["ok"], found["release"]) == (True, RELEASE)
    label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
    assert machine.run("podman", "inspect", f"--format={label}", IMAGE).stdout == f"{RELEASE}\n"


def test_an_upgrade_and_a_rollback_tell_the_clients_to_come_back(
    machine: Machine, compose: Compose, service: Address, certificate: Path
):
    new = {"SIGNALING_RELEASE": "0.2.0-second", "TLS_DIR": certificate.parent}
    compose("build", **new)
    for settings in (new, new | {"SIGNALING_RELEASE": RELEASE}):
        with machine.network():
            clients = meet(service)
        compose("up", "-d", "--no-build", **settings)
        assert [client.closed()[0] for client in clients] == [1012, 1012]
        wait_until_healthy(machine, NAME)
        shown = machine.run("podman", "exec", NAME, "python", "-m", "signaling.status", "--json").stdout
        assert json.loads(shown)["release"] == settings["SIGNALING_RELEASE"]
        with machine.network():
            for client in meet(service):
                client.close()


def test_a_release_that_was_not_built_is_an_error_and_asks_no_registry(compose: Compose, certificate: Path):
    never = {"SIGNALING_RELEASE": "0.0.0-never", "TLS_DIR": certificate.parent}
    started = compose("up", "-d", "--no-build", check=False, **never)
    assert started.returncode != 0
    assert "0.0.0-never: image not known" in started.stdout
    assert "docker.io" not in started.stdout


def test_nothing_starts_without_the_name_of_a_release(compose: Compose):
    started = compose("up", "-d", check=False, SIGNALING_RELEASE="")
    assert started.returncode != 0
    assert "write SIGNALING_RELEASE=0.1.0 into .env" in started.stdout


def test_prometheus_beside_it_scrapes_it_and_has_the_alerts(
    machine: Machine, compose: Compose, certificate: Path, tmp_path: Path
):
    token = "t" * 64
    (tmp_path / "metrics-token").write_text(f"{token}\n")
    (tmp_path / "metrics-token").chmod(0o600)
    os.chown(tmp_path / "metrics-token", 65534, -1)
    (tmp_path / "prometheus").write_bytes(Path("/usr/bin/prometheus").read_bytes())
    (tmp_path / "prometheus").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(PROMETHEUS)
    machine.run("podman", "build", "-q", "-t", "localhost/prometheus", str(tmp_path))
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    shutil.copytree(ROOT / "docs/monitoring", tmp_path / "docs/monitoring")
    # The containers of this machine do not know each other's names.
    scraped = tmp_path / "docs/monitoring/prometheus.yml"
    scraped.write_text(scraped.read_text().replace("signaling:8443", "host.containers.internal:8443"))
    files = [tmp_path / "compose.yaml", tmp_path / "docs/monitoring/compose.yaml"]
    settings = {
        "TLS_DIR": certificate.parent,
        "SIGNALING_METRICS_TOKEN": token,
        "METRICS_TOKEN_FILE": tmp_path / "metrics-token",
        "PROMETHEUS_IMAGE": "localhost/prometheus",
    }

    def get(path: str) -> Any:
        url = f"http://127.0.0.1:9090/api/v1/{path}"
        with machine.network(), suppress(OSError), urllib.request.urlopen(url) as answer:
            return json.load(answer)["data"]
        return {}

    def logs() -> str:
        return machine.run("podman", "logs", "signaling_prometheus_1", check=False).stdout

    compose("up", "-d", "--no-build", files=files, **settings)
    try:
        wait_until(lambda: [each["health"] for each in get("targets").get("activeTargets", [])] == ["up"], told=logs)
        [group] = get("rules")["groups"]
        assert "SignalingDown" in {rule["name"] for rule in group["rules"]}
    finally:
        compose("down", "-v", files=files, **settings)


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
    started = compose("run", "--rm", "-T", "signaling", check=False, files=[tmp_path / "compose.yaml"])
    assert started.returncode == os.EX_CONFIG
    assert "does not start: SIGNALING_JWT_KEYS is not a setting; write SIGNALING_JWT_KEY\n" in started.stdout
