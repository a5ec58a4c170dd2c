"""The ACME server: pebble, Let's Encrypt's own for tests, and its name server, to which every name is the VM."""

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

from tests.deployment.command import run, wait_until
from tests.deployment.network import Network, reaches

_PATIENCE = 20.0
_VALIDITY = 90 * 86_400  # as Let's Encrypt's
# Random waits, refusals and authorizations that are valid already are for tests of ACME clients.
_NO_CHANCE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Acme:
    """Where it is, and whom to trust: ``api_authority`` for its own API, ``root`` for what it issues."""

    def __init__(self, api: str, management: str, api_authority: str) -> None:
        self.url = f"https://{api}/dir"
        self.api_authority = api_authority
        trust = ssl.create_default_context(cadata=api_authority)
        with urllib.request.urlopen(f"https://{management}/roots/0", context=trust) as response:
            self.root: str = response.read().decode()


@contextmanager
def acme(folder: Path, network: Network) -> Iterator[Acme]:
    """Start it on the host's end of the cable, and end it."""
    certificate, key, configuration = (folder / name for name in ("pebble.crt", "pebble.key", "pebble.json"))
    run(
        *(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ),
        *("-subj", "/CN=The API of the ACME server", "-keyout", key, "-out", certificate),
        *("-addext", f"subjectAltName=IP:{network.host}"),
        # Python 3.13 refuses an authority without it.
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    )
    api, management, names, names_management = (f"{network.host}:{port}" for port in _free_ports(network.host, 4))
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
            undo.callback(process.wait, _PATIENCE)
            undo.callback(process.terminate)
            wait_until(lambda: _answers(process, answers))

        start(
            *("pebble-challtestsrv", "-defaultIPv4", network.vm, "-defaultIPv6", "", "-dns01", names),
            *("-management", names_management, "-http01", "", "-https01", "", "-tlsalpn01", ""),
            answers=names_management,
        )
        start("pebble", "-config", str(configuration), "-dnsserver", names, answers=management)
        yield Acme(api, management, certificate.read_text())


def _free_ports(host: str, count: int) -> list[int]:
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _answers(process: subprocess.Popen[bytes], address: str) -> bool:
    assert process.poll() is None, f"{process.args} ended"
    host, port = address.split(":")
    return reaches(host, int(port))
