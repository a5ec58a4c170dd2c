"""What one client can cause before it is known: each phase ends, each byte is bounded, and the others are served."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.driver import Client, Server
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

SOON = "0.5"
"""Seconds of each phase, in the tests that see it end."""

NEVER = "600"
"""Seconds of each phase in all other tests: whatever ends there is not ended by a clock."""


@pytest.fixture(scope="module")
def plain() -> Iterator[Server]:
    with Server(SIGNALING_HANDSHAKE_TIMEOUT=NEVER, SIGNALING_LOG_LEVEL="debug") as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    with Server(
        SIGNALING_BIND="127.0.0.1",
        SIGNALING_OPS_TOKEN="a" * 20,
        SIGNALING_MAX_HEAD_BYTES="2000",
        SIGNALING_ALLOWED_ORIGINS="https://a.example",
        SIGNALING_HANDSHAKE_TIMEOUT=NEVER,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def brief_in_tls(certificate: Path) -> Iterator[Server]:
    with Server(certificate, SIGNALING_HANDSHAKE_TIMEOUT=SOON) as running:
        yield running


@pytest.fixture(scope="module")
def brief() -> Iterator[Server]:
    with Server(SIGNALING_HANDSHAKE_TIMEOUT=SOON) as running:
        yield running


def connect(server: Server, source: str | None = None) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), TIMEOUT, (source, 0) if source else None)


def read_to_end(client: socket.socket) -> bytes:
    data = bytearray()
    # Where the server closed over what it had not read, the end is a reset.
    with suppress(ConnectionError):
        while piece := client.recv(65_536):
            data += piece
    return bytes(data)


# Requests one after the other.


def test_whoever_sends_thousands_of_requests_at_once_leaves_the_others_their_turn(plain: Server):
    """The oracle is the order in the log: somebody who comes later is served before the flood is."""
    with connect(plain) as flood, connect(plain) as later:
        since = len(plain.log)
        # Both are there before any request is served.
        os.kill(plain.worker, signal.SIGSTOP)
        flood.setblocking(False)
        with suppress(BlockingIOError):
            flood.send(GET * 4_000)
        later.sendall(b"GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        os.kill(plain.worker, signal.SIGCONT)
        assert read_to_end(later).startswith(b"HTTP/1.1 404")
        turn = plain.log.index(plain.wait_for_log("GET /later", since))
        assert len([line for line in plain.log[since:turn] if line.endswith("GET /")]) < 100


def test_a_connection_has_a_bounded_number_of_requests(plain: Server):
    with connect(plain) as client:
        client.sendall(GET * 1_001)
        assert read_to_end(client).count(b"HTTP/1.1 200") == 1_000


def test_requests_in_a_row_are_answered_in_order(plain: Server):
    with connect(plain) as client:
        client.sendall(GET + b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n" + GET.replace(b"GET / ", b"GET /no "))
        client.shutdown(socket.SHUT_WR)
        assert re.findall(rb"HTTP/1.1 (\d+)", read_to_end(client)) == [b"200", b"426", b"404"]


# Bodies.


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 10000000000\r\n\r\n",
        b"Content-Length: 9\r\n\r\n12345678",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1_000,
        b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a=b;" * 500,
        b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["endless", "nearly whole", "chunks", "extensions", "expected"],
)
@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/no", b"/ws"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_body_that_nobody_wants_is_not_waited_for(plain: Server, method: bytes, path: bytes, body: bytes):
    with connect(plain) as client:
        client.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n" + body)
        # It ends, though the client neither sends the rest nor closes.
        answer = read_to_end(client)
        assert re.search(rb"HTTP/1.1 [24]\d\d ", answer)
        # An answer that names the protocol to upgrade to says that instead.
        assert re.search(rb"\r\nConnection: (close|upgrade)\r\n", answer)


def test_an_answer_says_that_the_connection_ends(plain: Server):
    """As after a handshake that leads to no WebSocket."""
    for path in (b"/healthz", b"/no"):
        with connect(plain) as client:
            client.sendall(HANDSHAKE.replace(b"GET /", b"GET " + path) + b"\r\n")
            assert b"\r\nConnection: close\r\n" in read_to_end(client)


def test_what_stands_in_a_body_is_no_request(plain: Server):
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(plain) as client:
        client.sendall(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
        answer = read_to_end(client)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"uptime" not in answer


# Heads.


@pytest.mark.parametrize(
    "head",
    [
        b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: aaaaaaaaaa\r\n" * 700 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1_000) for n in range(9)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept: a" + b" " * 8_190 + b"b\r\n\r\n",
        HANDSHAKE + b"Cookie: " + b"a" * 8_200 + b"\r\n\r\n",
        b"a" * 20_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X" * 20_000,
    ],
    ids=["path", "field", "fields", "several fields", "spaces", "handshake", "no end", "no end of a field"],
)
def test_a_head_over_the_limit_is_refused(plain: Server, head: bytes):
    with connect(plain) as client:
        client.sendall(head)
        answer = read_to_end(client)
    assert re.match(rb"HTTP/1.1 (431|414|400) ", answer), answer[:100]
    assert b"X-Content-Type-Options: nosniff\r\n" in answer
    assert b"aaaa" not in answer


def test_a_second_head_is_measured_as_the_first_one(plain: Server):
    with connect(plain) as client:
        client.sendall(GET + b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 8_170 + b"\r\n\r\n")
        assert re.findall(rb"HTTP/1.1 (\d+)", read_to_end(client)) == [b"200", b"431"]


def test_a_head_up_to_the_limit_is_served_in_any_pieces(plain: Server):
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + b"a" * 8_100 + b"\r\n\r\n"
    for size in (1_000, 4_096, len(head)):
        with connect(plain) as client:
            for at in range(0, len(head), size):
                client.sendall(head[at : at + size])
            assert read_to_end(client).startswith(b"HTTP/1.1 200 "), size


def test_the_limit_of_a_head_can_be_set(strict: Server):
    with connect(strict) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2_000 + b"\r\n\r\n")
        assert read_to_end(client).startswith(b"HTTP/1.1 431 ")


# Deadlines and places.


@pytest.mark.parametrize(
    "sent", [b"", b"G", GET[:-1], GET, HANDSHAKE], ids=["nothing", "a byte", "a head", "GET", "WebSocket"]
)
def test_a_connection_without_a_request_ends(brief: Server, sent: bytes):
    with connect(brief) as client:
        client.sendall(sent)
        read_to_end(client)


def test_a_head_has_one_deadline_however_its_bytes_come(brief: Server):
    with connect(brief) as client:
        send_until_it_ends(client, b"G")


def test_a_tls_handshake_has_one_deadline_however_its_bytes_come(brief_in_tls: Server):
    with connect(brief_in_tls) as client:
        # A record that says it is long.
        client.sendall(b"\x16\x03\x01\x20\x00")
        send_until_it_ends(client, b"\x01")


def send_until_it_ends(client: socket.socket, byte: bytes) -> None:
    """Send a byte now and then, with never more than a moment between two of them."""
    client.settimeout(0.05)
    deadline = time.monotonic() + TIMEOUT
    with suppress(ConnectionError):
        while time.monotonic() < deadline:
            client.sendall(byte)
            with suppress(TimeoutError):
                if not client.recv(100):
                    return
        pytest.fail("the connection did not end")


def test_an_answer_that_is_never_read_does_not_keep_its_place(brief: Server):
    requests = b"GET /static/signaling.js HTTP/1.1\r\nHost: a\r\n\r\n" * 500
    with connect(brief) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with suppress(ConnectionError, TimeoutError):
            client.settimeout(TIMEOUT)
            client.sendall(requests)
        # Nothing more can be sent once the server has let go of it.
        wait_until(lambda: is_reset(client))


def is_reset(client: socket.socket) -> bool:
    try:
        client.send(b"GET")
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("tls", rest_long([True, False]), ids=["TLS", "plain"])
def test_connections_that_do_nothing_leave_room_for_others(certificate, tls: bool):
    """More than there are places, held for longer than any test."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(certificate if tls else None, SIGNALING_HANDSHAKE_TIMEOUT=NEVER))
        silent = [stack.enter_context(connect(server)) for _ in range(600)]
        for client in silent:
            client.sendall(b"\x16" if tls else b"G")
        assert server.health()["status"] == "ok"
        with Client(server) as alice:
            assert alice.quiet()
            assert server.health()["connections"] == 1


def test_an_address_is_counted_from_the_accept_on():
    with (
        Server(SIGNALING_HANDSHAKE_TIMEOUT=NEVER, SIGNALING_CONNECTIONS_PER_IP="4", SIGNALING_BIND="0.0.0.0") as server,
        ExitStack() as stack,
    ):
        silent = [stack.enter_context(connect(server, "127.0.0.2")) for _ in range(25)]
        # 4 for WebSockets, 16 for HTTP.
        for client in silent[20:]:
            assert read_to_end(client) == b""
        server.wait_for_log("too many from one address, 127.0.0.2")
        with Client(server, source="127.0.0.3") as alice:
            assert alice.quiet()


def test_a_websocket_that_is_refused_is_closed(strict: Server):
    for extra, status in ((b"Origin: https://b.example\r\n", b"403"), (b"Sec-WebSocket-Version: 8\r\n", b"4")):
        with connect(strict) as client:
            client.sendall(HANDSHAKE + extra + b"\r\n")
            assert read_to_end(client).startswith(b"HTTP/1.1 " + status)


def test_without_descriptors_newcomers_are_ended_at_once_with_one_line_in_the_log():
    limited = ("sh", "-c", 'ulimit -n 200; exec "$@"', "limited")
    with ExitStack() as stack:
        server = stack.enter_context(Server(before=limited, SIGNALING_HANDSHAKE_TIMEOUT=NEVER))
        first = stack.enter_context(Client(server))
        crowd = [stack.enter_context(connect(server)) for _ in range(250)]
        # Those that came last are over the limit.
        for client in crowd[-50:]:
            assert read_to_end(client) == b""
        assert first.quiet()
        for client in crowd:
            client.close()
        assert wait_until(lambda: server.health()["status"] == "ok")
        with Client(server) as later:
            assert later.quiet()
        assert len([line for line in server.log if "files may be open" in line or "could be accepted" in line]) == 1
        assert not [line for line in server.log if "Traceback" in line]


# What is behind the handshake.


def test_what_a_client_sends_right_behind_its_handshake_is_not_lost(plain: Server):
    """Node's ws takes it, too."""
    for pieces in (1, 2):
        with connect(plain) as client:
            ping = b'{"type":"ping","id":%d}'
            frames = b"".join(
                bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text for text in (ping % n for n in range(3))
            )
            sent = HANDSHAKE + b"\r\n" + frames
            cut = len(sent) - (0 if pieces == 1 else 20)
            client.sendall(sent[:cut])
            client.sendall(sent[cut:])
            expected = [b'{"type":"pong","id":%d}' % n for n in range(3)]
            data = b""
            while data.count(b"pong") < 3:
                data += client.recv(4_096)
            assert re.findall(rb'\{"type":"pong","id":\d\}', data) == expected


@pytest.mark.parametrize("stock", rest_long([False, True]), ids=["own worker", "gunicorn's worker"])
def test_nothing_stays_behind_in_tls(certificate, stock: bool):
    """OpenSSL decrypts a whole record, of which gunicorn reads only as much as it wants."""
    arguments = ("-k", "gevent") if stock else ()
    with Server(certificate, arguments) as server:
        for size in (*range(7_800, 8_500, 50), 12_000, *range(15_600, 16_384, 100)):
            long = b'{"type":"ping","id":1%s}' % (b" " * (size - len(HANDSHAKE) - 80))
            frames = bytes([0x81, 0xFE, *len(long).to_bytes(2, "big"), 0, 0, 0, 0]) + long
            short = b'{"type":"ping","id":2}'
            frames += bytes([0x81, 0x80 | len(short), 0, 0, 0, 0]) + short
            with connect(server) as raw, server.tls.wrap_socket(raw, server_hostname="localhost") as client:
                client.sendall(HANDSHAKE + b"\r\n" + frames)
                data = b""
                while b'{"type":"pong","id":2}' not in data:
                    piece = client.recv(65_536)
                    assert piece, f"{size}: the server closed"
                    data += piece


def test_a_close_right_behind_the_handshake_is_answered(plain: Server):
    with connect(plain) as client:
        client.sendall(HANDSHAKE + b"\r\n" + bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]))
        assert read_to_end(client).endswith(b"\x88\x02\x03\xe8")


# Paths.


@pytest.mark.parametrize(
    "path", ["//healthz", "/%68ealthz", "/healthz/", "///healthz", "/./healthz", "/x/../healthz", "//ops"]
)
def test_a_disguised_path_leads_nowhere(strict: Server, path: str):
    with connect(strict) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert read_to_end(client).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "header", ["SCRIPT_NAME: /x", "PATH_INFO: /healthz", "Script-Name: /x", "X_FORWARDED_FOR: 1.2.3.4"]
)
def test_no_header_changes_the_path(strict: Server, header: str):
    for path, status in (("/x/healthz", b"404"), ("/healthz", b"200")):
        with connect(strict) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{header}\r\nConnection: close\r\n\r\n".encode())
            assert read_to_end(client).startswith(b"HTTP/1.1 " + status)


def test_a_whole_url_is_as_good_as_its_path(strict: Server):
    with connect(strict) as client:
        client.sendall(b"GET http://a/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_to_end(client).startswith(b"HTTP/1.1 200 ")


def test_tls_that_is_none_ends_quickly(brief_in_tls: Server):
    for sent in (GET, b"\x00" * 100, b"\x16\x03\x01\x00\x02\x01\x00"):
        with connect(brief_in_tls) as client:
            client.sendall(sent)
            read_to_end(client)
    # A slow handshake is ended as well.
    wait_until(lambda: brief_in_tls.health()["status"] == "ok")
    assert not [line for line in brief_in_tls.log if "Traceback" in line]
    with pytest.raises((ssl.SSLError, ConnectionError)), connect(brief_in_tls) as client:
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
