"""docs/examples/beside as its README starts it: the clinic on four workers, the service, and nginx before both."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.driver import ROOT
from tests.redis_server import free_port
from tests.waiting import TIMEOUT, wait_until

EXAMPLES = ROOT / "docs/examples"


def environment(**settings: Any) -> dict[str, str]:
    """The environment of a reader who has installed the requirements."""
    unset = ("SIGNALING_", "FLASK_", "GUNICORN", "WEB_CONCURRENCY", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    more = {name: str(value) for name, value in settings.items()}
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


class BesideExample:
    """A copy of the example. Only its ports are other ones than its readers'.

    Attributes:
        ports: those of nginx, of the service and of the clinic.
        database: the file of the clinic's database.
    """

    tls: ssl.SSLContext | None = None

    def __init__(self, folder: Path, **settings: Any) -> None:
        """Copy the example and the clinic to ``folder``; ``settings`` are in the environment of the start."""
        for example in ("beside", "clinic"):
            names = shutil.ignore_patterns("run", "instance", "tests", "__pycache__", ".*")
            shutil.copytree(EXAMPLES / example, folder / example, ignore=names)
        self._folder = folder / "beside"
        self._log = folder / "log"
        self.database = folder / "clinic.db"
        self._settings = {"FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{self.database}"} | settings
        [command] = re.findall(r"```sh\n(.*)\n```", (self._folder / "README.md").read_text())
        # Without `exec`, a signal would end the shell alone.
        self._command = "exec " + command.removeprefix("pip install -r ../clinic/requirements.txt && ")
        self.ports = [self._move(port) for port in ("8000", "8001", "8002")]
        if os.getuid() == 0:
            # The workers of nginx are another user's otherwise, to whom the temporary folder of root is closed.
            nginx = self._folder / "nginx.conf"
            nginx.write_text("user root;\n" + nginx.read_text())

    def _move(self, port: str) -> int:
        free = free_port()
        for file in self._folder.iterdir():
            file.write_text(re.sub(rf"\b{port}\b", str(free), file.read_text()))
        return free

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://localhost:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> BesideExample:
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                self._command, shell=True, cwd=self._folder, env=environment(**self._settings), stdout=log, stderr=log
            )
        with ExitStack() as stack:
            stack.push(self.__exit__)
            wait_until(lambda: self.process.poll() is not None or self._is_up(), told=lambda: self.log)
            assert self.process.poll() is None, self.log
            stack.pop_all()
        return self

    def _is_up(self) -> bool:
        # nginx last: it logs each request that it cannot forward.
        for port, path in zip(reversed(self.ports), ("login", "healthz", "login"), strict=True):
            urllib.request.urlopen(f"http://localhost:{port}/{path}", timeout=TIMEOUT).close()
        return True

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(TIMEOUT)
