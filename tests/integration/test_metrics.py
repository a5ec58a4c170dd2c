"""The metrics of a real server, as Prometheus gets them."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.driver import Client, Mute, Server, meet
from tests.integration.test_http import ask
from tests.integration.test_process import fails_to_start
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

TOKEN = "of=the/scraper"


@pytest.fixture(scope="module")
def metered(certificate: Path) -> Iterator[Server]:
    with Server(
        certificate,
        SIGNALING_METRICS_TOKEN=TOKEN,
        SIGNALING_METRICS_BIND="127.0.0.1:0",
        SIGNALING_PING_INTERVAL="0.4",
        SIGNALING_ALLOWED_ORIGINS="https://app.example.org",
    ) as running:
        yield running


def scrape(server: Server) -> dict[str, float]:
    """The samples, by their names with what is in braces."""
    response, page = ask(server, "/metrics", {"Authorization": f"Bearer {TOKEN}"})
    assert response.status == 200
    return {
        s.name + "".join(f"{{{value}}}" for value in s.labels.values()): s.value
        for family in text_string_to_metric_families(page)
        for s in family.samples
    }


def changes(server: Server, before: dict[str, float], **expected: float) -> dict[str, float]:
    """What there is more than before of the samples that are expected, as soon as it is that, or in the end."""
    found: dict[str, float] = {}

    def as_expected() -> bool:
        now = scrape(server)
        found.update({name: now[name] - before[name] for name in expected})
        return found == expected

    with suppress(AssertionError):
        wait_until(as_expected)
    return found


def own_port(server: Server) -> str:
    return re.findall(r"Metrics at (\S+)", "\n".join(server.log))[-1]


def test_a_call_in_figures(metered: Server):
    before = scrape(metered)
    alice, bob = meet(metered, "ann", "ben")
    alice.send(type="message", data={"type": "offer", "sdp": "v=0"})
    bob.receive()
    bob.send(type="message", data={"type": "answer", "sdp": "v=0"})
    alice.receive()
    alice.send(type="candidate", candidate={"candidate": "candidate:1 1 udp 1 192.0.2.1 1 typ host"})
    bob.receive()
    expected = {
        "signaling_connections": 2,
        "signaling_rooms": 1,
        "signaling_calls{settled}": 1,
        "signaling_joins_total": 2,
        "signaling_messages_relayed_total{message}": 2,
        "signaling_messages_relayed_total{candidate}": 1,
        "signaling_call_answer_seconds_count": 1,
    }
    assert changes(metered, before, **expected) == expected

    assert alice.ask(type="nonsense")["code"] == "unknown-type"
    alice.close(1000)
    bob.close(4321)
    expected = {
        "signaling_connections": 0,
        "signaling_rooms": 0,
        "signaling_errors_total{unknown-type}": 1,
        "signaling_closes_total{1000}": 1,
        "signaling_closes_total{other}": 1,
        "signaling_call_setup_seconds_count": 1,
    }
    assert changes(metered, before, **expected) == expected


@pytest.mark.parametrize(
    ("end", "code", "by_server"),
    [
        (lambda client: client.close(1011), "1011", False),
        (lambda client: client.close(1008), "1008", False),
        (lambda client: client.vanish(), "1006", False),
        (lambda client: client.send(b"x" * 70_000), "1009", True),
        (lambda client: client.ask(type="join", userId="self", remoteId="self"), "1008", True),
    ],
    ids=["client 1011", "client 1008", "no close frame", "too big", "with itself"],
)
def test_an_end_says_whether_the_server_made_it(metered: Server, end, code: str, by_server: bool):
    before = scrape(metered)
    with Client(metered) as client:
        end(client)
        expected = {
            f"signaling_closes_total{{{code}}}": 1,
            f"signaling_server_closes_total{{{code}}}": int(by_server),
        }
        assert changes(metered, before, **expected) == expected


def test_a_refusal_is_counted_by_its_reason(metered: Server):
    before = scrape(metered)
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "https://elsewhere.example"}
    assert ask(metered, "/", handshake)[0].status == 403
    expected = {"signaling_refusals_total{origin}": 1}
    assert changes(metered, before, **expected) == expected


def test_the_heartbeat_is_measured(metered: Server):
    before = scrape(metered)
    with Client(metered) as client:
        client.join("heart", "beat")
        count = "signaling_heartbeat_round_trip_seconds_count"
        # It answers pings while it receives.
        wait_until(lambda: client.quiet() and scrape(metered)[count] > before[count])
        assert scrape(metered)["signaling_event_loop_lag_seconds_count"] > 0


def test_prometheus_has_no_complaint(metered: Server):
    with urllib.request.urlopen(own_port(metered), timeout=TIMEOUT) as response:
        page = response.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_certificate_of_the_server_is_known(metered: Server):
    page = scrape(metered)
    assert page["signaling_certificate_expiry_timestamp_seconds"] > time.time()
    assert page["signaling_certificate_refused"] == 0


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \xff"])
def test_without_the_token_there_are_no_metrics(certificate: Path, metered: Server, given: str | None):
    response, page = ask(metered, "/metrics", {"Authorization": given})
    assert (response.status, response.getheader("WWW-Authenticate")) == (401, "Bearer")
    assert "signaling_" not in page


def test_where_no_token_is_set_there_is_no_such_page(server: Server):
    assert ask(server, "/metrics", {"Authorization": "Bearer "})[0].status == 404


def test_a_port_of_its_own_has_nothing_else(metered: Server):
    port = int(own_port(metered).rsplit(":", 1)[1].split("/")[0])

    def status(method: str, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()

    assert [status("GET", path) for path in ("/metrics", "/", "/ws", "/healthz", "/ops")] == [200, 404, 404, 404, 404]
    assert (status("HEAD", "/metrics"), status("POST", "/metrics")) == (200, 405)


def test_whoever_is_silent_or_slow_at_that_port_does_not_keep_it(metered: Server):
    """Prometheus waits for its turn behind as many as are let in at once."""
    url = own_port(metered)
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), TIMEOUT)) for _ in range(10)]
        for client in silent[5:]:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            assert response.status == 200
            assert response.headers["Connection"] == "close"
        assert all(client.recv(1) == b"" for client in silent)


@pytest.mark.parametrize("bind", rest_long(["0.0.0.0:9101", "192.0.2.1:9101", "9101"]))
def test_any_other_address_than_a_loopback_one_is_refused(bind: str):
    assert fails_to_start(SIGNALING_METRICS_BIND=bind)[-1] == (
        f"The signaling server does not start: SIGNALING_METRICS_BIND: {bind!r} is not usable; "
        "write a loopback address and a port such as 127.0.0.1:9101 or [::1]:9101"
    )


def test_after_a_reload_the_new_worker_has_the_port(certificate: Path):
    """While the old one still waits for a client that does not answer its close."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = f"Metrics at http://127.0.0.1:{port}/metrics"
    # The old one waits for as long as the new one needs to start.
    patience = {"SIGNALING_DRAIN_SECONDS": TIMEOUT, "SIGNALING_CLOSE_TIMEOUT": TIMEOUT}
    with (
        Server(certificate, SIGNALING_METRICS_BIND=f"127.0.0.1:{port}", **patience) as server,
        Mute(server) as silent,
    ):
        server.wait_for_log(line)
        silent.send(type="ping")
        since = len(server.log)
        server.signal(signal.SIGHUP)
        server.wait_for_log(line, since)
        assert not [said for said in server.log if "Worker exiting" in said]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT) as response:
            assert b"\nsignaling_connections 0.0\n" in response.read(), "the old one has one"
        silent.vanish()
        server.wait_for_log("Worker exiting", since)
        server.stop()
        assert not [said for said in server.log if "Traceback" in said or " ERROR " in said]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_a_port_that_is_taken_is_said_and_the_calls_go_on(certificate: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Server(certificate, SIGNALING_METRICS_BIND=f"127.0.0.1:{port}") as server:
            for user in meet(server):
                user.close()
            line = server.wait_for_log("No metrics at")
            assert f"No metrics at 127.0.0.1 port {port}: Address already in use" in line
            since = len(server.log)
            taken.close()
            server.wait_for_log("Metrics at", since)
