"""The check of the TURN servers, with Debian's coturn and with servers that are none."""

from __future__ import annotations

import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from signaling.config.settings import Settings
from signaling.rooms import turn_allocation
from signaling.rooms.ice import ice_servers
from signaling.rooms.turn_allocation import TurnError, allocate, can_check
from tests.coturn import Coturn
from tests.driver import Server
from tests.waiting import TIMEOUT, wait_until


def up(server: Server) -> dict[str, str]:
    """The figures of the TURN servers, by their URLs."""
    asked = urllib.request.Request(server.url + "/metrics", headers={"Authorization": "Bearer scraper"})
    with urllib.request.urlopen(asked, timeout=TIMEOUT) as response:
        return dict(re.findall(r'^signaling_turn_up\{url="(.+)"\} (\S+)$', response.read().decode(), re.MULTILINE))


def checking(urls: list[str], secret: str, certificate: Path, **settings: object) -> Server:
    given: dict[str, object] = {
        "SIGNALING_TURN_URLS": " ".join(urls),
        "SIGNALING_TURN_SECRET": secret,
        "SIGNALING_TURN_CHECK_INTERVAL": 0.2,
        "SIGNALING_METRICS_TOKEN": "scraper",
        "SSL_CERT_FILE": certificate,
    }
    return Server(**(given | settings))


def test_a_turn_server_is_up_by_each_transport_until_it_stops(tmp_path: Path, certificate: Path):
    with ExitStack() as stack:
        coturn = stack.enter_context(Coturn(tmp_path, certificate))
        urls = list(coturn.urls.values())
        server = stack.enter_context(checking(urls, coturn.secret, certificate))
        wait_until(lambda: up(server) == dict.fromkeys(urls, "1.0"), told=lambda: server.log)
        coturn.stop()
        wait_until(lambda: up(server) == dict.fromkeys(urls, "0.0"), told=lambda: server.log)
        for url in urls:
            server.wait_for_log(rf"WARNING The TURN server {re.escape(url)} gives no relay: \w+")
        told = [line for line in server.log if "gives no relay" in line]
        assert len(told) == len(urls)
        server.stop()
        assert not [line for line in server.log if "Traceback" in line]


def test_the_relay_is_given_back(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch):
    kinds = []
    ask = turn_allocation._Client._ask

    def note(client, *request):
        answer = ask(client, *request)
        kinds.append(answer.kind)
        return answer

    monkeypatch.setattr(turn_allocation._Client, "_ask", note)
    with Coturn(tmp_path, certificate) as coturn:
        settings = Settings(turn_urls=(coturn.urls["udp"],), turn_secret=coturn.secret)
        server = ice_servers(settings, "check", time.time())[-1]
        allocate(coturn.urls["udp"], server["username"], server["credential"], TIMEOUT)
    # The challenge, the allocation, and its end.
    assert kinds == [0x113, 0x103, 0x104]


def test_a_wrong_secret_is_no_relay(tmp_path: Path, certificate: Path):
    with Coturn(tmp_path, certificate) as coturn:
        url = coturn.urls["udp"]
        with checking([url], "wrong", certificate) as server:
            server.wait_for_log(rf"WARNING The TURN server {re.escape(url)} gives no relay: it answered 401")
            assert up(server) == {url: "0.0"}


def test_without_the_setting_nothing_is_asked(certificate: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"turn:127.0.0.1:{silent.getsockname()[1]}"
        with checking([url], "s", certificate, SIGNALING_TURN_CHECK_INTERVAL=0) as server:
            assert up(server) == {}
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)


ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "another transaction": lambda request: request[:8] + bytes(12),
    "half a head": lambda request: request[:10],
    "a length beyond the end": lambda request: b"\x01\x13\xff\xfc" + request[4:20] + b"\0\x15\xff\xff",
    "an error without a nonce": lambda request: b"\x01\x13\0\x08" + request[4:20] + b"\0\x09\0\x04\0\0\x04\x01",
    "a nonce that is always stale": lambda request: (
        b"\x01\x13\0\x10" + request[4:20] + b"\0\x09\0\x04\0\0\x04\x26" + b"\0\x15\0\x04nonc"
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_server_that_answers_nonsense_gives_no_relay_in_time(answer: Callable[[bytes], bytes], transport: str):
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            try:
                if transport == "udp":
                    while True:
                        request, address = server.recvfrom(2_048)
                        server.sendto(answer(request), address)
                server.listen()
                connection, _ = server.accept()
                with connection:
                    while request := connection.recv(2_048):
                        connection.sendall(answer(request))
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"turn:127.0.0.1:{server.getsockname()[1]}?transport={transport}"
        with pytest.raises(TurnError):
            allocate(url, "user", "credential", 1.0)


def test_a_flood_of_answers_stops_neither_the_time_out_nor_the_event_loop():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                request = connection.recv(2_048)
                for _ in range(100):
                    connection.sendall((b"\x01\x01\0\0" + request[4:8] + bytes(12)) * 5_000)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        # Without the end of its time, the flood would end it: "it closed the connection".
        with pytest.raises(TurnError, match=r"no answer within 0\.5 seconds"):
            allocate(f"turn:127.0.0.1:{server.getsockname()[1]}?transport=tcp", "user", "credential", 0.5)
        thread.join(TIMEOUT)


def test_a_name_that_no_host_can_have_is_no_relay():
    # gevent reports errors of its threads besides.
    with pytest.raises(TurnError, match="label empty or too long"):
        allocate(f"turn:{'a' * 64}.example", "user", "credential", TIMEOUT)


def test_dtls_is_left_out():
    assert not can_check("turns:a?transport=udp")
    assert all(map(can_check, ["turn:a", "turn:a?transport=udp", "turns:a", "turns:a:1?transport=tcp"]))
