"""What check.yml asks a TURN server: a relay for the credentials of the service, and a word each way through it."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.coturn import Coturn
from tests.driver import ROOT

USERNAME = f"{int(time.time()) + 600}:check"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate") / "localhost.crt")


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Coturn]:
    with Coturn(tmp_path_factory.mktemp("coturn"), certificate) as running:
        yield running


def ask(coturn: Coturn, certificate: Path, *ways: str, secret: str = "", username: str = USERNAME) -> tuple[int, str]:
    digest = hmac.digest((secret or coturn.secret).encode(), username.encode(), "sha1")
    given = {
        "urls": [coturn.urls[way] for way in ways],
        "username": username,
        "credential": base64.b64encode(digest).decode(),
        "address": "",
        "ca": str(certificate),
    }
    script = ROOT / "ansible/roles/coturn/files/relay.py"
    done = subprocess.run([sys.executable, script], input=json.dumps(given), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_each_url_relays_both_ways(coturn: Coturn, certificate: Path):
    status, words = ask(coturn, certificate, "udp", "tcp", "tls")
    assert status == 0, words
    assert words.count("a relay, both ways") == 3


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_credentials_of_another_secret_are_refused(coturn: Coturn, certificate: Path, way: str):
    status, words = ask(coturn, certificate, way, secret="another one")
    assert (status, words) == (1, f"{coturn.urls[way]}: it answers 401 Unauthorized\n")


def test_a_server_that_serves_no_private_address_still_has_a_relay(tmp_path: Path, certificate: Path):
    with Coturn(tmp_path, certificate, lets_through=False) as coturn:
        status, words = ask(coturn, certificate, "udp")
    assert status == 0
    assert "does not serve the private address" in words


def test_a_server_that_is_gone(tmp_path: Path, certificate: Path):
    with Coturn(tmp_path, certificate) as coturn:
        pass
    assert ask(coturn, certificate, "tcp") == (1, f"{coturn.urls['tcp']}: [Errno 111] Connection refused\n")


def test_a_certificate_that_is_not_trusted(coturn: Coturn, tmp_path: Path):
    status, words = ask(coturn, make_certificate(tmp_path / "other.crt"), "tls")
    assert status == 1
    assert "certificate verify failed" in words
