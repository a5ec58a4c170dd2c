"""A client that comes back resumes its TLS session: at any worker, after a reload and with a new certificate."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.driver import Server
from tests.integration.test_certificates import replace, serial, served
from tests.long import rest_long
from tests.redis_server import redis_server
from tests.waiting import TIMEOUT, wait_until

VERSIONS = rest_long([ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])


class Visitor:
    """A client that keeps the session of its last connection."""

    def __init__(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._context.minimum_version = self._context.maximum_version = version
        self._session: ssl.SSLSession | None = None

    def resumes(self, server: Server, name: str | None = "localhost") -> bool:
        """Connect, and return whether the last session went on."""
        with (
            socket.create_connection(("localhost", server.port), TIMEOUT) as plain,
            self._context.wrap_socket(plain, server_hostname=name, session=self._session) as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            # With TLS 1.3 the new ticket comes behind the handshake.
            answer = b"".join(iter(lambda: tls.recv(65_536), b""))
            assert answer.startswith(b"HTTP/1.1 200"), answer
            self._session = tls.session
            assert self._session is not None
            return bool(tls.session_reused)


@pytest.fixture(params=VERSIONS, ids=["TLS 1.3", "TLS 1.2"])
def visitor(request: pytest.FixtureRequest) -> Visitor:
    return Visitor(request.param)


@contextmanager
def stopped(worker: int) -> Iterator[None]:
    """Let the other workers alone accept connections."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def booted(server: Server, since: int = 0) -> list[int]:
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", "\n".join(server.log[since:]))]


def test_at_another_worker_of_the_host(certificate: Path, visitor: Visitor):
    with redis_server() as redis, Server(certificate, SIGNALING_REDIS_URL=redis.url, WEB_CONCURRENCY=2) as server:
        wait_until(lambda: len(booted(server)) == 2)
        one, other = booted(server)
        with stopped(one):
            assert not visitor.resumes(server)
        with stopped(other):
            assert visitor.resumes(server)
        with stopped(one):
            assert visitor.resumes(server), "with the ticket of a session that was resumed"


def test_after_a_reload(certificate: Path, visitor: Visitor):
    with Server(certificate) as server:
        assert not visitor.resumes(server)
        for _ in range(2):
            old, since = server.worker, len(server.log)
            server.signal(signal.SIGHUP)
            server.wait_for_log(rf"Worker exiting \(pid: {old}\)", since)
            assert booted(server, since)
            assert visitor.resumes(server)


def test_after_the_worker_died(certificate: Path, visitor: Visitor):
    with Server(certificate) as server:
        assert not visitor.resumes(server)
        since = len(server.log)
        os.kill(server.worker, signal.SIGKILL)
        server.wait_for_log("Booting worker", since)
        assert visitor.resumes(server)


@pytest.mark.parametrize("name", ["localhost", None], ids=["SNI", "no SNI"])
def test_with_a_new_certificate(tmp_path: Path, visitor: Visitor, name: str | None):
    """A renewal may also change the kind of key. Who begins a session then gets the new certificate."""
    current = make_certificate(tmp_path / "current.crt")
    with Server(current, SIGNALING_TLS_RELOAD_INTERVAL="0.1") as server:
        assert not visitor.resumes(server, name)
        for number, is_rsa in enumerate([True, False, False]):
            renewed = make_certificate(tmp_path / f"{number}.crt", is_rsa=is_rsa)
            since = len(server.log)
            replace(current, renewed)
            server.wait_for_log("A new certificate is used from now on", since)
            assert visitor.resumes(server, name)
            assert served(server) == serial(renewed)


def test_at_no_other_server_even_with_the_same_certificate(certificate: Path, visitor: Visitor):
    with Server(certificate) as server:
        assert not visitor.resumes(server)
        assert visitor.resumes(server)
        with Server(certificate) as other:
            assert not visitor.resumes(other)
    with Server(certificate) as restarted:
        assert not visitor.resumes(restarted)
