"""The process: how it starts and does not start, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.certificates import make_certificate
from tests.driver import Client, Mute, Server, meet
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until


def fails_to_start(*arguments: str, **settings: object) -> list[str]:
    """Start a server that must not start, and return what it wrote."""
    server = Server(arguments=arguments, **settings)
    try:
        assert server.wait() == os.EX_CONFIG
        return [line for line in server.log if line]
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("settings", "line"),
    rest_long(
        [
            ({"PORT": "http"}, "PORT: 'http' is not usable; write a whole number from 0 to 65535 (default 8443)"),
            (
                {"SIGNALING_PING_INTERVAL": "0"},
                "SIGNALING_PING_INTERVAL: '0' is not usable; write a number from 0.01 to 86400 (default 25.0)",
            ),
            (
                {"SIGNALING_LOG_FORMAT": "xml"},
                "SIGNALING_LOG_FORMAT: 'xml' is not usable; write one of json, text (default 'text')",
            ),
            (
                {"SIGNALING_TLS_CERT": "/x.pem"},
                "SIGNALING_TLS_KEY is not set: TLS needs both SIGNALING_TLS_CERT and SIGNALING_TLS_KEY",
            ),
            (
                {"SIGNALING_TLS_KEY": "/x.pem"},
                "SIGNALING_TLS_CERT is not set: TLS needs both SIGNALING_TLS_CERT and SIGNALING_TLS_KEY",
            ),
            (
                {"SIGNALING_TLS_CERT": "/none.pem", "SIGNALING_TLS_KEY": "/none.key"},
                "SIGNALING_TLS_CERT: '/none.pem' cannot be read: No such file or directory; "
                "write the path of a certificate chain in PEM",
            ),
            (
                {"SIGNALING_STUN_URLS": "stun:a, b"},
                "SIGNALING_STUN_URLS: 'b' is not usable; write STUN URIs (RFC 7064) "
                "such as stun:stun.example.org:3478, or leave it empty",
            ),
            (
                {"SIGNALING_TURN_URLS": "turn:a"},
                "SIGNALING_TURN_SECRET is not set: TURN needs both SIGNALING_TURN_URLS and SIGNALING_TURN_SECRET",
            ),
            (
                {"SIGNALING_TURN_SECRET": "north"},
                "SIGNALING_TURN_URLS is not set: TURN needs both SIGNALING_TURN_URLS and SIGNALING_TURN_SECRET",
            ),
            (
                {"WEB_CONCURRENCY": "2"},
                "WEB_CONCURRENCY=2: 2 workers would each have rooms of their own; run one worker (-w 1), "
                "or set SIGNALING_REDIS_URL to a Redis that they share",
            ),
            ({"SIGNALING_BND": "127.0.0.1"}, "SIGNALING_BND is not a setting; write SIGNALING_BIND"),
            ({"signaling_jwt_key": "x" * 32}, "signaling_jwt_key is not a setting; write SIGNALING_JWT_KEY"),
            (
                {"SIGNALING_RELEASE": "x" * 101},
                f"SIGNALING_RELEASE: {'x' * 101!r} is not usable; write up to 100 "
                "printable ASCII characters such as 2024-06-01, or leave it empty",
            ),
        ],
        quick=3,
    ),
)
def test_a_wrong_setting_stops_the_start_with_one_line(settings, line: str):
    written = fails_to_start(**settings)
    assert written[-1] == f"The signaling server does not start: {line}"
    assert not [line for line in written if "Traceback" in line]


@pytest.mark.parametrize(
    ("arguments", "words"),
    rest_long(
        [
            (("-w", "3"), "3 workers would each have rooms of their own"),
            (("-k", "sync"), "the worker class must be signaling.worker.Worker or gevent, not sync"),
            (("--preload",), "preload_app is not possible"),
        ]
    ),
)
def test_a_wrong_argument_stops_the_start_with_one_line(arguments, words: str):
    assert words in fails_to_start(*arguments)[-1]


def test_a_key_of_another_certificate_stops_the_start(tmp_path: Path):
    one, other = make_certificate(tmp_path / "one.crt"), make_certificate(tmp_path / "other.crt")
    line = fails_to_start(SIGNALING_TLS_CERT=one, SIGNALING_TLS_KEY=other.with_suffix(".key"))[-1]
    assert line.endswith(f"{other.with_suffix('.key')} is not the key of {one}")


def test_a_file_that_is_no_certificate_stops_the_start(tmp_path: Path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    line = fails_to_start(SIGNALING_TLS_CERT=nonsense, SIGNALING_TLS_KEY=nonsense)[-1]
    assert line.endswith("are not a certificate and its unencrypted key in PEM")


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    """A server without TLS, and with a setting that is none."""
    with Server(SIGNALING_PING_INTERVALL="3") as running:
        yield running


def test_a_misspelled_setting_is_a_warning_with_the_right_name(plain: Server):
    line = plain.wait_for_log("is not a setting")
    assert line.endswith("SIGNALING_PING_INTERVALL is not a setting: did you mean SIGNALING_PING_INTERVAL?")


def test_without_a_certificate_it_says_so_and_serves_plain(plain: Server):
    plain.wait_for_log("No TLS: plain WebSocket")
    alice, bob = meet(plain)
    with alice, bob:
        assert alice.quiet()


def test_it_serves_on_a_unix_socket(tmp_path: Path):
    path = tmp_path / "signaling.sock"
    server = Server(SIGNALING_BIND=f"unix:{path}")
    try:
        server.wait_for_log("Booting worker")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT)
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("bind", "trusted", "proxy"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("::1", "", "::1"),
        ("unix:{}/signaling.sock", "", "unix"),
        ("127.0.0.1", "127.0.0.1", None),
        ("unix:{}/signaling.sock", "unix", None),
        ("", "", None),
        ("0.0.0.0", "", None),
    ],
)
def test_a_proxy_that_is_not_trusted_is_a_warning(tmp_path: Path, bind: str, trusted: str, proxy: str | None):
    """Where only a proxy can connect; at other addresses there may be none."""
    server = Server(SIGNALING_BIND=bind.format(tmp_path), SIGNALING_TRUSTED_PROXIES=trusted)
    try:
        server.wait_for_log("Booting worker")
        warnings = [line for line in server.log if "SIGNALING_TRUSTED_PROXIES" in line]
        assert len(warnings) == (proxy is not None)
        assert all(line.endswith(f"set SIGNALING_TRUSTED_PROXIES={proxy}") for line in warnings)
    finally:
        server.stop()


def test_systemd_hears_of_the_start_and_of_each_turn_of_the_watchdog(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(TIMEOUT)
        systemd.bind(str(tmp_path / "notify"))
        with Server(NOTIFY_SOCKET=tmp_path / "notify", WATCHDOG_USEC="1000000") as server:
            heard = [systemd.recv(1000) for _ in range(3)]
            assert heard[0].startswith(b"READY=1")
            assert heard[1:] == [b"WATCHDOG=1"] * 2
            # A worker that stands still is silent.
            os.kill(server.worker, signal.SIGSTOP)
            wait_until(lambda: Path(f"/proc/{server.worker}/stat").read_text().split()[2] == "T")
            systemd.setblocking(False)
            with suppress(BlockingIOError):
                while systemd.recv(1000):
                    pass
            systemd.settimeout(2.5)
            with pytest.raises(TimeoutError):
                systemd.recv(1000)
            os.kill(server.worker, signal.SIGCONT)


def test_a_second_worker_is_refused_while_it_runs(plain: Server):
    worker = plain.worker
    plain.signal(signal.SIGTTIN)
    plain.wait_for_log("2 workers would each have rooms of their own: staying at one")
    assert plain.worker == worker
    assert plain.health()["status"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stopping_and_reloading_tell_every_client_to_come_back(certificate: Path, number: int):
    with Server(certificate) as server:
        clients = [*meet(server), *meet(server, "carol", "dave")]
        server.signal(number)
        assert {client.closed()[0] for client in clients} == {1012}
        if number == signal.SIGTERM:
            assert server.wait() == 0
        else:
            server.wait_for_log("Worker exiting")
            with Client(server) as again:
                assert again.join("alice", "bob")[0]["type"] == "created"
        assert not [line for line in server.log if "Traceback" in line or "graceful timeout" in line]


def test_a_client_that_does_not_answer_does_not_hold_up_the_end(certificate: Path):
    with Server(certificate) as server, Mute(server) as silent:
        silent.send(type="join", userId="silent", remoteId="one")
        server.wait_for_log("User silent is initiator")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert silent.closed()[0] == 1012


def test_an_idle_http_connection_does_not_hold_up_the_end():
    with (
        Server(SIGNALING_DRAIN_SECONDS="0") as server,
        socket.create_connection(("localhost", server.port), TIMEOUT) as browser,
    ):
        browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"keep-alive" in browser.recv(65_536)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        # It was not killed for taking too long.
        assert [line for line in server.log if "Worker exiting" in line]


def test_full_is_said_politely_and_health_still_answers():
    with Server(SIGNALING_MAX_CONNECTIONS="2") as server:
        alice, bob = meet(server)
        with alice, bob:
            with pytest.raises(InvalidStatus) as refusal:
                Client(server)
            assert refusal.value.response.status_code == 503
            assert refusal.value.response.headers["Retry-After"] == "10"
            assert server.health()["connections"] == 2
            bob.close()
            alice.receive()
            with Client(server) as carol:
                assert carol.quiet()


def test_a_silent_tcp_connection_is_gone_in_time(certificate: Path):
    """Without a TLS handshake, and without a request after it; with the limit at 1 s, to be quick."""
    with Server(certificate, SIGNALING_HANDSHAKE_TIMEOUT="1") as server:
        with socket.create_connection(("localhost", server.port), TIMEOUT) as silent:
            assert silent.recv(1) == b"", "closed by the server"

        def ends_amid_a_request() -> bool:
            assert server.tls
            with (
                socket.create_connection(("localhost", server.port), TIMEOUT) as plain,
                server.tls.wrap_socket(plain, server_hostname="localhost") as silent,
            ):
                silent.sendall(b"GET / HTTP/1.1\r\nHost:")
                return silent.recv(1) == b""

        # The limit holds for the handshake as well, and this machine may be slow.
        wait_until(ends_amid_a_request)


def test_a_half_open_connection_is_closed_with_4008(certificate: Path):
    """A client that is there but does not answer pings; one that answers has time for it on a slow machine as well."""
    quick = {"SIGNALING_PING_INTERVAL": "0.4", "SIGNALING_PING_TIMEOUT": "4"}
    with Server(certificate, **quick) as server, Client(server) as bob, Mute(server) as alice:
        bob.join("bob", "alice")
        alice.send(type="join", userId="alice", remoteId="bob")
        assert [bob.receive()["type"] for _ in range(4)] == ["ready", "roomInfo", "bye", "roomInfo"]
        assert bob.quiet(), "the one who answers stays"
        server.wait_for_log("code=4008")
        assert server.health()["connections"] == 1
        assert alice.closed() == (4008, "No answer to a ping")


def test_a_replaced_connection_that_does_not_answer_is_gone(server: Server):
    wait_until(lambda: server.health()["connections"] == 0)
    with Client(server) as bob, Mute(server) as old, Client(server) as new:
        since = len(server.log)
        bob.join("bob", "alice")
        old.send(type="join", userId="alice", remoteId="bob")
        server.wait_for_log("User alice joined", since)
        new.join("alice", "bob")
        server.wait_for_log("code=4001", since)
        assert server.health()["connections"] == 2
        assert old.closed()[0] == 4001, "and the TCP connection ended"


def test_a_probe_that_is_no_tls_is_one_line_or_none(server: Server):
    since = len(server.log)
    for probe in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00", b""):
        # The server may have closed it before all is sent.
        with socket.create_connection(("localhost", server.port), TIMEOUT) as scanner, suppress(OSError):
            scanner.sendall(probe)
            scanner.shutdown(socket.SHUT_WR)
            # All of it, so that what the server says of it is said.
            while scanner.recv(100):
                pass
    assert server.health()["status"] == "ok"
    lines = server.log[since:]
    assert not [line for line in lines if "Traceback" in line]
    assert len([line for line in lines if "nvalid request" in line]) <= 3


@pytest.mark.parametrize(
    ("method", "message"),
    rest_long([("forward", {"type": "message", "data": "break"}), ("receive", {"type": "break"})]),
)
def test_a_fault_of_ours_closes_that_one_connection_with_1011(tmp_path: Path, method: str, message: dict[str, str]):
    """The traceback is in the log, no HTTP is in the WebSocket, and nobody else notices."""
    with Server(PYTHONPATH=_broken(tmp_path, method)) as server:
        alice, bob = meet(server)
        with alice, bob, Client(server) as other:
            alice.send(**message)
            assert alice.closed() == (1011, "Internal error")
            server.wait_for_log("ZeroDivisionError")
            assert bob.receive()["reason"] == "lost"
            assert other.quiet()


def _broken(folder: Path, method: str) -> Path:
    """A folder for PYTHONPATH whose `sitecustomize` makes a session's `method` divide by zero at the word `break`."""
    (folder / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name != 'signaling.rooms.session': return None\n"
        "        sys.meta_path.remove(self)\n"
        "        import importlib.util\n"
        "        spec = importlib.util.find_spec(name)\n"
        "        run = spec.loader.exec_module\n"
        "        def exec_module(module):\n"
        "            run(module)\n"
        f"            real = module.Session.{method}\n"
        f"            module.Session.{method} = lambda self, text: 1 / 0 if 'break' in text else real(self, text)\n"
        "        spec.loader.exec_module = exec_module\n"
        "        return spec\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    return folder


def test_a_request_that_does_not_end_ends_with_its_worker(tmp_path: Path):
    """As in a reload while a function of an app waits for ever."""
    (tmp_path / "endless.py").write_text(
        "import gevent\nfrom signaling import create_app\n\napp = create_app()\n\n\n"
        "@app.get('/endless')\ndef endless():\n    app.logger.error('it begins')\n    gevent.sleep(600)\n"
    )
    arguments = ("--pythonpath", str(tmp_path), "--graceful-timeout", "1")
    with Server(app="endless:app", arguments=arguments, SIGNALING_DRAIN_SECONDS="0.1") as server:
        old, since = server.worker, len(server.log)
        with socket.create_connection(("localhost", server.port), TIMEOUT) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            server.wait_for_log("it begins")
            server.signal(signal.SIGHUP)
            with suppress(ConnectionError):
                assert client.recv(1) == b""
        server.wait_for_log(rf"Worker graceful timeout \(pid:{old}\)", since)
        server.wait_for_log(rf"Worker exiting \(pid: {old}\)", since)
        assert server.worker != old
        assert not [line for line in server.log if "Traceback" in line]
