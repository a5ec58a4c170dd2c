"""The ACME server: pebble, Let's Encrypt's own for tests, and its name server, which is told where a name leads."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.deployment.command import run
from tests.deployment.network import reaches
from tests.waiting import TIMEOUT, wait_until

_VALIDITY = 90 * 86_400  # as Let's Encrypt's
# Random waits, refusals and authorizations that are valid already are for tests of ACME clients.
_NO_CHANCE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Acme:
    """Where it is, and whom to trust: ``api_authority`` for its own API, ``root`` for what it issues."""

    def __init__(self, api: str, management: str, names: str, api_authority: str) -> None:
        self.url = f"https://{api}/dir"
        self._names = f"http://{names}"
        self.api_authority = api_authority
        trust = ssl.create_default_context(cadata=api_authority)
        with urllib.request.urlopen(f"https://{management}/roots/0", context=trust) as response:
            self.root: str = response.read().decode()

    def lead(self, domain: str, address: str) -> None:
        """Have a name lead to an address from now on."""
        record = json.dumps({"host": domain, "addresses": [address]}).encode()
        urllib.request.urlopen(f"{self._names}/add-a", record).close()

    def lead6(self, domain: str, address: str) -> None:
        """Have a name lead to an IPv6 address alone from now on."""
        record = json.dumps({"host": domain, "addresses": [address]}).encode()
        urllib.request.urlopen(f"{self._names}/clear-a", record).close()
        urllib.request.urlopen(f"{self._names}/add-aaaa", record).close()


def self_signed(certificate: Path, key: Path, name: str) -> None:
    """Make a certificate for a name that is its own authority."""
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "2", "-subj", "/CN=tests", "-addext", f"subjectAltName={name}"),
        # Python 3.13 refuses an authority without it.
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        *("-keyout", key, "-out", certificate),
    )


@contextmanager
def acme(folder: Path, host: str) -> Iterator[Acme]:
    """Start it at an address of the host, and end it."""
    certificate, key, configuration = (folder / name for name in ("pebble.crt", "pebble.key", "pebble.json"))
    self_signed(certificate, key, f"IP:{host}")
    api, management, names, names_management = (f"{host}:{port}" for port in _free_ports(host, 4))
    settings = {
        "listenAddress": api,
        "managementListenAddress": management,
        "certificate": str(certificate),
        "privateKey": str(key),
        "certificateValidityPeriod": _VALIDITY,
        "httpPort": 80,
        "tlsPort": 443,
    }
    configuration.write_text(json.dumps({"pebble": settings}))
    with ExitStack() as undo, (folder / "pebble.log").open("wb") as log:

        def start(*command: str, answers: str) -> None:
            process = subprocess.Popen(
                command,
                env=os.environ | _NO_CHANCE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            undo.callback(process.wait, TIMEOUT)
            undo.callback(process.terminate)
            wait_until(lambda: _answers(process, answers))

        start(
            *("pebble-challtestsrv", "-defaultIPv4", "", "-defaultIPv6", "", "-dns01", names),
            *("-management", names_management, "-http01", "", "-https01", "", "-tlsalpn01", ""),
            answers=names_management,
        )
        start("pebble", "-config", str(configuration), "-dnsserver", names, answers=management)
        yield Acme(api, management, names_management, certificate.read_text())


def _free_ports(host: str, count: int) -> list[int]:
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _answers(process: subprocess.Popen[bytes], address: str) -> bool:
    assert process.poll() is None, f"{process.args!r} ended"
    host, port = address.split(":")
    return reaches(host, int(port))
