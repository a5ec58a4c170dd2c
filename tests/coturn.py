"""Debian's coturn as the tests' TURN server: on loopback, with a secret that it shares with the signaling server."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.driver import ROOT
from tests.waiting import TIMEOUT

_SECRETS = ROOT / "ansible/roles/coturn/files/accepted_secrets.py"
BINDING_REQUEST = b"\x00\x01\x00\x00\x21\x12\xa4\x42"


class Coturn:
    """turnserver on a free port of 127.0.0.1 over UDP and TCP, and on another one over TLS.

    As it comes it relays to nobody on 127.0.0.1, not even to itself: with `lets_through` it does. Its secret is in its
    configuration, or as the Ansible role has it in its database, where it can change.
    """

    def __init__(
        self, folder: Path, certificate: Path, lets_through: bool = True, has_fixed_secret: bool = True
    ) -> None:
        self.secret = secrets.token_urlsafe()
        self._database = folder / "db"
        self.port, self.tls_port = free_port(), free_port()
        self.log_file = folder / "log"
        config = folder / "turnserver.conf"
        config.write_text(
            f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={self.port}\ntls-listening-port={self.tls_port}\n"
            f"cert={certificate}\npkey={certificate.with_suffix('.key')}\n"
            f"realm=turn.test\nuse-auth-secret\n{f'static-auth-secret={self.secret}' if has_fixed_secret else ''}\n"
            f"fingerprint\nno-cli\nno-multicast-peers\n{'allow-loopback-peers' if lets_through else ''}\n"
            f"userdb={self._database}\npidfile={folder}/pid\nlog-file=stdout\nsimple-log\n"
        )
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(["turnserver", "-c", config], stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Coturn:
        try:
            self.wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_up(self) -> None:
        """Wait for the answer to a STUN request."""
        deadline = time.monotonic() + TIMEOUT
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.05)
            client.connect(("127.0.0.1", self.port))
            while True:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                try:
                    client.send(BINDING_REQUEST + secrets.token_bytes(12))
                    client.recv(1_000)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                return

    def accept(self, *accepted: str) -> None:
        """Have it accept these secrets and no others, as the Ansible role does it."""
        command = [sys.executable, str(_SECRETS), str(self._database), "turn.test"]
        subprocess.run(command, input="\n".join(accepted), text=True, check=True, capture_output=True, timeout=TIMEOUT)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(TIMEOUT)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def urls(self) -> dict[str, str]:
        """Its URLs by how a client gets to it."""
        return {
            "udp": f"turn:127.0.0.1:{self.port}?transport=udp",
            "tcp": f"turn:127.0.0.1:{self.port}?transport=tcp",
            "tls": f"turns:localhost:{self.tls_port}?transport=tcp",
        }

    @property
    def settings(self) -> dict[str, Any]:
        """What a signaling server needs to be told of it."""
        return {"SIGNALING_TURN_URLS": ",".join(self.urls.values()), "SIGNALING_TURN_SECRET": self.secret}


def free_port() -> int:
    """Return a port that is free for TCP and for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
