"""The servers that are compared, each started on a free loopback port and stopped again."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 20
MAX_CONNECTIONS = 20_000

# Everything that watches over a message and takes note of it, with limits that the load does not reach.
_UNREACHED = "1000000"
GUARDS = {
    "SIGNALING_ALLOWED_ORIGINS": "https://app.example.org",
    "SIGNALING_CONNECTIONS_PER_IP": _UNREACHED,
    "SIGNALING_CONNECTION_RATE": _UNREACHED,
    "SIGNALING_CONNECTION_BURST": _UNREACHED,
    "SIGNALING_JOIN_RATE": _UNREACHED,
    "SIGNALING_MESSAGE_RATE": _UNREACHED,
    "SIGNALING_MESSAGE_BURST": _UNREACHED,
    "SIGNALING_METRICS_TOKEN": "benchmark",
    "SIGNALING_OPS_TOKEN": "benchmark",
}
# Ours with a Redis: how many hosts share it, and how many workers each has.
HOSTS = {"inside": (1, 1), "across": (2, 1), "workers": (1, 2)}

NO_GUARDS = {"SIGNALING_JOIN_RATE": "0", "SIGNALING_MESSAGE_RATE": "0"}


def client_core() -> int | None:
    """The core that is the client's alone, None where there is but one."""
    cores = os.sched_getaffinity(0)
    return max(cores) if len(cores) > 1 else None


def leave_client_core() -> None:
    """Keep this process, a server, and all its threads off the core of the client."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {client_core()})


class UnavailableError(Exception):
    """A server cannot be built or started here; the message says why."""


@dataclass(frozen=True)
class Server:
    """A server that runs, on one host or several: the processes at the roots of its trees, and where it listens."""

    pids: tuple[int, ...]
    urls: tuple[str, ...]
    redis: tuple[int, ...] = ()
    health: str = "/"


@dataclass
class Servers:
    """Builds what has to be built once, in a temporary folder, and starts the servers by name."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)  # of ours, beside what the benchmark sets
    project: Path = PROJECT
    other: Path = PROJECT  # another checkout of it

    @classmethod
    @contextmanager
    def prepared(cls, names: set[str], environment: dict[str, str], other: Path = PROJECT) -> Iterator[Servers]:
        with tempfile.TemporaryDirectory(prefix="signaling-bench-") as folder:
            servers = cls(Path(folder), environment, other=other)
            servers._make_certificate()
            if HOSTS.keys() & names and not shutil.which("redis-server"):
                raise UnavailableError("redis-server is not on the PATH")
            if "node" in names:
                _install_node_modules()
            if "c" in names:
                servers._compile_relay()
            yield servers

    @contextmanager
    def running(self, name: str, tls: bool) -> Iterator[Server]:
        """Start a server, with the Redis that it needs, wait until it answers, and stop it afterwards."""
        with ExitStack() as parts:
            if name in HOSTS:
                hosts, workers = HOSTS[name]
                redis, port = parts.enter_context(self._process("redis", False))
                environment = {"SIGNALING_REDIS_URL": f"redis://{HOST}:{port}", "WEB_CONCURRENCY": str(workers)}
                processes = [parts.enter_context(self._process("ours", tls, environment)) for _ in range(hosts)]
            else:
                processes = [parts.enter_context(self._process(name, tls))]
            # An app with rules learns the user from the address.
            query = "?user={user}" if name == "rules" else ""
            urls = tuple(f"{'wss' if tls else 'ws'}://{HOST}:{port}/{query}" for _, port in processes)
            yield Server(tuple(pid for pid, _ in processes), urls, (redis,) if name in HOSTS else (), _health(name))

    @contextmanager
    def _process(self, name: str, tls: bool, more: Mapping[str, str] | None = None) -> Iterator[tuple[int, int]]:
        """Start a process, wait until it answers on its port, and stop its whole group afterwards."""
        port = free_port()
        command, folder, environment = getattr(self, f"_{name}")(port, tls)
        with open(self.folder / f"{name}-{port}.log", "w+b") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | environment | (more or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=leave_client_core,
            )
            try:
                if not _answers(process, port, tls, _health(name), plain_tcp=name in ("c", "redis")):
                    log.seek(0)
                    raise UnavailableError(f"{name} did not start: {' '.join(command)}\n{log.read().decode()[-2000:]}")
                yield process.pid, port
            finally:
                _stop(process)

    def _ours(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return self._with(GUARDS | self.environment, port, tls)

    def _debug(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return self._with(GUARDS | self.environment | {"SIGNALING_LOG_LEVEL": "debug"}, port, tls)

    def _other(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        command, _, environment = self._ours(port, tls)
        return command, self.other, environment

    def _bare(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return self._with(NO_GUARDS | self.environment, port, tls)

    def _app(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return self._in_app("0", port, tls)

    def _rules(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return self._in_app("1", port, tls)

    def _in_app(self, rules: str, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        command, folder, environment = self._with(NO_GUARDS | self.environment, port, tls)
        more = {"RULES": rules, "PYTHONPATH": f"{folder}:{HERE}"}
        return [*command[:-1], "app:app"], folder, environment | more

    def _with(self, settings: Mapping[str, str], port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        environment = {
            "PORT": str(port),
            "SIGNALING_BIND": HOST,
            "SIGNALING_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        }
        if tls:
            environment |= {"SIGNALING_TLS_CERT": str(self._certificate), "SIGNALING_TLS_KEY": str(self._key)}
        return command, self.project, environment | dict(settings)

    def _node(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        environment = {"PORT": str(port), "NODE_ENV": "production"}
        if tls:
            environment |= {"TLS_CERT": str(self._certificate), "TLS_KEY": str(self._key)}
        return ["node", "server.js"], HERE / "node", environment

    def _c(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        if tls:
            raise UnavailableError("the C relay has no TLS")
        return [str(self.folder / "relay"), str(port)], self.folder, {}

    def _redis(self, port: int, tls: bool) -> tuple[list[str], Path, dict[str, str]]:
        return ["redis-server", "--port", str(port), "--bind", HOST, "--save", ""], self.folder, {}

    @property
    def _certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def _key(self) -> Path:
        return self.folder / "key.pem"

    def _make_certificate(self) -> None:
        """A throw-away EC P-256 certificate for the loopback address, the same for all servers."""
        _run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                f"subjectAltName=DNS:localhost,IP:{HOST}",
                "-keyout",
                str(self._key),
                "-out",
                str(self._certificate),
            ]
        )

    def _compile_relay(self) -> None:
        _run([shutil.which("cc") or "gcc", "-O2", "-o", str(self.folder / "relay"), str(HERE / "c" / "relay.c")])


def _health(name: str) -> str:
    """Return the path that answers 200 when the server is well."""
    return "/" if name in ("node", "c") else "/healthz"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _install_node_modules() -> None:
    if not shutil.which("node"):
        raise UnavailableError("node is not on the PATH")
    if not (HERE / "node" / "node_modules").is_dir():
        _run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(HERE / "node")])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not on the PATH") from None
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{' '.join(command)}\n{error.stderr[-2000:]}") from None


def _answers(process: subprocess.Popen[bytes], port: int, tls: bool, path: str, plain_tcp: bool) -> bool:
    """Whether the server comes to answer `path` with 200 (or, for `plain_tcp`, takes a connection) in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if plain_tcp:
                socket.create_connection((HOST, port), 1).close()
                return True
            if _status(port, tls, path) == 200:
                return True
        time.sleep(0.05)  # nothing to wait on: a port does not tell when it opens
    return False


def _status(port: int, tls: bool, path: str) -> int:
    if tls:
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(HOST, port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever is left of the group that was started here
    process.wait()
