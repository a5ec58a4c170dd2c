"""The servers that are compared, each started on a free loopback port and stopped again."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from programs import HEALTH, HOST, HOSTS, PATHS, PLAIN_TCP, PROJECT, PROTOCOLS, Programs, UnavailableError

START_SECONDS = 30
STOP_SECONDS = 20


def client_core() -> int | None:
    """The core that is the client's alone, None where there is but one."""
    cores = os.sched_getaffinity(0)
    return max(cores) if len(cores) > 1 else None


def leave_client_core() -> None:
    """Keep this process, a server, and all its threads off the core of the client."""
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {client_core()})


@dataclass(frozen=True)
class Server:
    """A server that runs, on one host or several: the processes at the roots of its trees, and where it listens."""

    pids: tuple[int, ...]
    urls: tuple[str, ...]
    redis: tuple[int, ...] = ()
    protocol: str = "rooms"
    health: str = "/healthz"


class Servers:
    """Starts the servers by name."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    @classmethod
    @contextmanager
    def prepared(cls, names: set[str], settings: dict[str, str], other: Path = PROJECT) -> Iterator[Servers]:
        """Prepare what those names need."""
        with Programs.prepared(names, settings, other) as programs:
            yield cls(programs)

    @contextmanager
    def running(self, name: str, tls: bool) -> Iterator[Server]:
        """Start a server, with the Redis that it needs, wait until it answers, and stop it afterwards."""
        with ExitStack() as parts:
            redis: tuple[int, ...] = ()
            if name in HOSTS:
                hosts, workers = HOSTS[name]
                pid, port = parts.enter_context(self._process("redis", False))
                redis = (pid,)
                settings = {"SIGNALING_REDIS_URL": f"redis://{HOST}:{port}", "WEB_CONCURRENCY": str(workers)}
                processes = [parts.enter_context(self._process("ours", tls, settings)) for _ in range(hosts)]
            else:
                processes = [parts.enter_context(self._process(name, tls))]
            yield Server(
                tuple(pid for pid, _ in processes),
                tuple(f"{'wss' if tls else 'ws'}://{HOST}:{port}/{PATHS.get(name, '')}" for _, port in processes),
                redis,
                PROTOCOLS.get(name, "rooms"),
                HEALTH.get(name, "/healthz"),
            )

    @contextmanager
    def _process(self, name: str, tls: bool, more: Mapping[str, str] | None = None) -> Iterator[tuple[int, int]]:
        """Start a process, wait until it answers on its port, and stop its whole group afterwards."""
        port = free_port()
        command, folder, environment = self._programs.of(name, port, tls)
        with open(self._programs.folder / f"{name}-{port}.log", "w+b") as log:
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
                if not _answers(process, port, tls, HEALTH.get(name, "/healthz"), name in PLAIN_TCP):
                    log.seek(0)
                    raise UnavailableError(f"{name} did not start: {' '.join(command)}\n{log.read().decode()[-2000:]}")
                yield process.pid, port
            finally:
                _stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


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
