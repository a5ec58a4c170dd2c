"""Flask's development server in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from tests.driver import ROOT, Server
from tests.waiting import wait_until


class DevServer(Server):
    """`flask run` as a developer starts it, on a free port, with ``settings`` in its environment."""

    def __init__(
        self,
        app: Path,
        arguments: tuple[str, ...] = (),
        certificate: Path | None = None,
        health: str = "/healthz",
        **settings: Any,
    ) -> None:
        self.certificate = certificate
        self._health = health
        self.log: list[str] = []
        self._news = threading.Condition()
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALING_", "FLASK_"))}
        environ |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        environ |= {name: str(value) for name, value in settings.items()}
        tls = ("--cert", str(certificate), "--key", str(certificate.with_suffix(".key"))) if certificate else ()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", str(app), "run", "--port", "0", *tls, *arguments],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A group of its own, for the reloader and its child get Ctrl-C together.
            start_new_session=True,
            # A shell starts what it puts in the background with Ctrl-C ignored, and so would these tests be.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_up(self) -> None:
        line = self.wait_for_log(r"Running on ")
        self.port = int(re.findall(r":(\d+)", line)[-1])
        # It listens already. Without a page of its health, that is enough.
        if self._health:
            wait_until(lambda: self._is_well() or self.process.poll() is not None, told=lambda: "\n".join(self.log))
        assert self.process.poll() is None, "the server ended:\n" + "\n".join(self.log)

    def signal(self, number: int) -> None:
        """Send a signal as a terminal does: to all processes of the group."""
        os.killpg(self.process.pid, number)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit status."""
        self.signal(signal.SIGINT)
        return self.wait()
