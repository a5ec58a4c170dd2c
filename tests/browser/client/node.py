"""The Node.js server of the same design (express and ws), since a client should work with either."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from pathlib import Path

from tests.driver import ROOT
from tests.waiting import TIMEOUT, wait_until

FOLDER = ROOT / "tests" / "benchmarks" / "node"


class NodeServer:
    """The server of the benchmarks, whose modules make installs, over TLS, on a free port."""

    def __init__(self, certificate: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"wss://localhost:{self.port}"
        self._trust = ssl.create_default_context(cafile=str(certificate))
        tls = {"TLS_CERT": str(certificate), "TLS_KEY": str(certificate.with_suffix(".key"))}
        self.process = subprocess.Popen(
            ["node", "server.js"], cwd=FOLDER, env=os.environ | tls | {"PORT": str(self.port)}
        )

    def __enter__(self) -> NodeServer:
        try:
            wait_until(lambda: self._answers() or self.process.poll() is not None)
            assert self.process.poll() is None, "the Node.js server ended"
        except AssertionError:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            plain = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
            self._trust.wrap_socket(plain, server_hostname="localhost").close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
