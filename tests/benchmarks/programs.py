"""The programs that are compared: what each needs built or installed, and the command that starts it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
PEERS = HERE / "peers"
PEERS_VENV = PROJECT / f".venv-peers-{sys.version_info.major}.{sys.version_info.minor}"
HOST = "127.0.0.1"
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
NO_GUARDS = {"SIGNALING_JOIN_RATE": "0", "SIGNALING_MESSAGE_RATE": "0"}

# Ours with a Redis: how many hosts share it, and how many workers each has.
HOSTS = {"inside": (1, 1), "across": (2, 1), "workers": (1, 2)}

# Where those that are not like ours have their WebSocket, how a client speaks with them, and what answers 200.
PATHS = {
    "rules": "?user={user}",  # an app with rules learns the user from the address
    "flask_sock": "signaling",
    "socketio": "socket.io/?EIO=4&transport=websocket",
    "peerjs": "peerjs?key=peerjs&id={user}&token=benchmark",
}
PROTOCOLS = {"c": "none", "socketio": "socketio", "peerjs": "peerjs"}
HEALTH = dict.fromkeys(("node", "c", "redis", "flask_sock", "socketio", "peerjs"), "/")
PLAIN_TCP = ("c", "redis")

Program = tuple[list[str], Path, dict[str, str]]  # its command, its folder, and its environment beside this one


class UnavailableError(Exception):
    """A server cannot be built or started here; the message says why."""


@dataclass
class Programs:
    """All of them by name, with what had to be built for them in a temporary folder."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)  # of ours, beside what the benchmark sets
    other: Path = PROJECT  # another checkout of ours

    @classmethod
    @contextmanager
    def prepared(cls, names: set[str], settings: dict[str, str], other: Path) -> Iterator[Programs]:
        """Build and install what those names need."""
        with tempfile.TemporaryDirectory(prefix="signaling-bench-") as folder:
            programs = cls(Path(folder), settings, other)
            programs._make_certificate()
            if HOSTS.keys() & names and not shutil.which("redis-server"):
                raise UnavailableError("redis-server is not on the PATH")
            if "node" in names:
                _install_node_modules(HERE / "node")
            if "peerjs" in names:
                _install_node_modules(PEERS / "peerjs")
            if {"flask_sock", "socketio"} & names:
                _install_peers()
            if "c" in names:
                _run(["cc", "-O2", "-o", str(programs.folder / "relay"), str(HERE / "c" / "relay.c")])
            yield programs

    def of(self, name: str, port: int, tls: bool) -> Program:
        program: Program = getattr(self, f"_{name}")(port, tls)
        return program

    def _ours(self, port: int, tls: bool) -> Program:
        return self._with(GUARDS | self.settings, port, tls)

    def _debug(self, port: int, tls: bool) -> Program:
        return self._with(GUARDS | self.settings | {"SIGNALING_LOG_LEVEL": "debug"}, port, tls)

    def _other(self, port: int, tls: bool) -> Program:
        command, _, environment = self._ours(port, tls)
        return command, self.other, environment

    def _bare(self, port: int, tls: bool) -> Program:
        return self._with(NO_GUARDS | self.settings, port, tls)

    def _app(self, port: int, tls: bool) -> Program:
        return self._in_app("0", port, tls)

    def _rules(self, port: int, tls: bool) -> Program:
        return self._in_app("1", port, tls)

    def _in_app(self, rules: str, port: int, tls: bool) -> Program:
        command, folder, environment = self._with(NO_GUARDS | self.settings, port, tls)
        more = {"RULES": rules, "PYTHONPATH": f"{folder}:{HERE}"}
        return [*command[:-1], "app:app"], folder, environment | more

    def _with(self, settings: Mapping[str, str], port: int, tls: bool) -> Program:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        environment = {
            "PORT": str(port),
            "SIGNALING_BIND": HOST,
            "SIGNALING_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        }
        if tls:
            environment |= {"SIGNALING_TLS_CERT": str(self._certificate), "SIGNALING_TLS_KEY": str(self._key)}
        return command, PROJECT, environment | dict(settings)

    def _node(self, port: int, tls: bool) -> Program:
        environment = {"PORT": str(port), "NODE_ENV": "production"}
        if tls:
            environment |= {"TLS_CERT": str(self._certificate), "TLS_KEY": str(self._key)}
        return ["node", "server.js"], HERE / "node", environment

    def _flask_sock(self, port: int, tls: bool) -> Program:
        return self._under_gunicorn("gevent", "sock_app:app", port, tls)

    def _socketio(self, port: int, tls: bool) -> Program:
        return self._under_gunicorn(
            "geventwebsocket.gunicorn.workers.GeventWebSocketWorker", "socketio_app:app", port, tls
        )

    def _under_gunicorn(self, worker: str, app: str, port: int, tls: bool) -> Program:
        command = [str(PEERS_VENV / "bin" / "gunicorn"), "-k", worker, "-w", "1", "-b", f"{HOST}:{port}"]
        command += ["--worker-connections", str(MAX_CONNECTIONS)]
        if tls:
            command += ["--certfile", str(self._certificate), "--keyfile", str(self._key)]
        return [*command, app], PEERS / "flask", {}

    def _peerjs(self, port: int, tls: bool) -> Program:
        command = ["node", "node_modules/peer/dist/bin/peerjs.js", "--host", HOST, "--port", str(port)]
        # The load sends no heartbeats.
        command += ["--alive_timeout", "3600000", "--concurrent_limit", str(MAX_CONNECTIONS)]
        if tls:
            command += ["--sslcert", str(self._certificate), "--sslkey", str(self._key)]
        return command, PEERS / "peerjs", {"NODE_ENV": "production"}

    def _c(self, port: int, tls: bool) -> Program:
        if tls:
            raise UnavailableError("the C relay has no TLS")
        return [str(self.folder / "relay"), str(port)], self.folder, {}

    def _redis(self, port: int, tls: bool) -> Program:
        return ["redis-server", "--port", str(port), "--bind", HOST, "--save", ""], self.folder, {}

    @property
    def _certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def _key(self) -> Path:
        return self.folder / "key.pem"

    def _make_certificate(self) -> None:
        """A throw-away EC P-256 certificate for the loopback address, the same for all servers."""
        name = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(self._key)]
        _run(["openssl", "req", "-x509", "-days", "2", *name, *key, "-out", str(self._certificate)])


def _install_node_modules(folder: Path) -> None:
    if not shutil.which("node"):
        raise UnavailableError("node is not on the PATH")
    if not (folder / "node_modules").is_dir():
        _run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder)])


def _install_peers() -> None:
    """Install the peers in Python; again if what they need has changed."""
    wanted = PEERS / "flask" / "requirements.txt"
    installed = PEERS_VENV / "installed.txt"
    if installed.is_file() and installed.read_text() == wanted.read_text():
        return
    _run([sys.executable, "-m", "venv", "--clear", str(PEERS_VENV)])
    _run([str(PEERS_VENV / "bin" / "pip"), "install", "-q", "--no-deps", "-r", str(wanted)])
    installed.write_text(wanted.read_text())


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not on the PATH") from None
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{' '.join(command)}\n{error.stderr[-2000:]}") from None
