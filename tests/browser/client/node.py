"""The Node.js server of the same design (express and ws), since a client should work with either."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import time
from pathlib import Path

from tests.driver import PATIENCE, ROOT

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
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("the Node.js server does not answer")
            time.sleep(0.05)  # nothing to wait on: a port does not tell when it opens
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            plain = socket.create_connection(("127.0.0.1", self.port), 1)
            self._trust.wrap_socket(plain, server_hostname="localhost").close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
