"""A Redis of a test's own: Debian's, on a free port, in a folder that goes away with it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hiredis

from tests.waiting import TIMEOUT


class Redis:
    """A `redis-server` that can be ended, stopped in its tracks, and started empty again."""

    def __init__(
        self, folder: Path, port: int | None = None, *options: str, ready: bytes = b"Ready to accept connections"
    ) -> None:
        command = shutil.which("redis-server")
        assert command is not None, "redis-server is missing; make test installs it"
        self._command = command
        self.port = port or free_port()
        self._folder = folder
        self._options = options
        self._ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        # A configuration file comes before all else.
        files = [option for option in self._options[:1] if option.endswith(".conf")]
        options = self._options[len(files) :]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self.process = subprocess.Popen(
            [self._command, *files, *arguments, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if self._ready in line:
                return
        raise AssertionError("redis-server did not start")

    def end(self) -> None:
        """Kill it: nobody is told anything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(TIMEOUT)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def hold(self) -> None:
        """Let it stand still; connections stay open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *command: str) -> object:
        """Send one command on a connection of its own, and return the answer."""
        return ask(self.port, *command)

    def names(self) -> list[str]:
        """Return the names of all keys there are."""
        found = self.ask("KEYS", "*")
        assert isinstance(found, list)
        return sorted(key.decode() for key in found)


def ask(port: int, *command: str, password: str = "") -> object:
    """Send one command to a Redis on this machine, and return the answer."""
    reader = hiredis.Reader()
    reply: object = None
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as sock:
        for words in [("AUTH", password), command] if password else [command]:
            sock.sendall(hiredis.pack_command(words))  # type: ignore[arg-type] # its stub takes one word
            while (reply := reader.gets()) is False:
                data = sock.recv(65_536)
                assert data, "Redis closed the connection"
                reader.feed(data)
            if isinstance(reply, Exception):
                raise reply
    return reply


@contextmanager
def redis_server(*options: str) -> Iterator[Redis]:
    """Run a Redis for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="signaling-redis-") as folder:
        server = Redis(Path(folder), None, "--save", "", *options)
        server.start()
        try:
            yield server
        finally:
            with suppress(AssertionError):
                server.go_on()
            server.end()


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
