"""What the tests drive the real thing with: a server in a process of its own, and a client that speaks to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.uri import parse_uri

from tests.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parent.parent


class Server:
    """gunicorn as an operator starts it, on a free port, with `settings` in its environment, by a command `before`."""

    def __init__(
        self,
        certificate: Path | None = None,
        arguments: tuple[str, ...] = (),
        app: str = "wsgi:app",
        health: str = "/healthz",
        before: tuple[str, ...] = (),
        **settings: Any,
    ) -> None:
        self.certificate = certificate
        self._health = health
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALING_", "GUNICORN"))}
        environ.pop("WEB_CONCURRENCY", None)
        environ |= {"PORT": "0", "PYTHONWARNINGS": "default"}
        if certificate is not None:
            environ |= {
                "SIGNALING_TLS_CERT": str(certificate),
                "SIGNALING_TLS_KEY": str(certificate.with_suffix(".key")),
            }
        environ |= {name: str(value) for name, value in settings.items()}
        self.log: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", app, *arguments],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Server:
        try:
            self.wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.log.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.log.append("")
            self._news.notify_all()

    def wait_until_up(self) -> None:
        line = self.wait_for_log(r"Listening at: ")
        self.port = int(re.findall(r":(\d+) \(", line)[0])
        # The connection waits in the backlog until the worker serves; its own to Redis, if any, comes a moment later.
        wait_until(lambda: self._is_well() or self.process.poll() is not None, told=lambda: "\n".join(self.log))
        assert self.process.poll() is None, "the server ended:\n" + "\n".join(self.log)

    def _is_well(self) -> bool:
        try:
            return bool(self.health()["status"] == "ok")
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def wait_for_log(self, pattern: str, since: int = 0, timeout: float = TIMEOUT) -> str:
        """Return the first line that `pattern` is found in, as soon as it is there."""

        def found() -> str | None:
            return next((line for line in self.log[since:] if re.search(pattern, line)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or (self.log and self.log[-1] == ""), timeout)
            line = found()
        assert line is not None, f"no {pattern!r} in the log:\n" + "\n".join(self.log[since:])
        return line

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}"

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.certificate)) if self.certificate else None

    @property
    def worker(self) -> int:
        """The process id of the newest worker."""
        return int(re.findall(r"Booting worker with pid: (\d+)", "\n".join(self.log))[-1])

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=TIMEOUT, context=self.tls) as response:
            return json.load(response)

    def health(self) -> dict[str, Any]:
        return dict(self.get(self._health))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until the process ended and its log is read, and return its exit status."""
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return status

    def stop(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        self._reader.join(TIMEOUT)
        assert self.process.stderr is not None
        self.process.stderr.close()


class Endpoint(Protocol):
    """Where a client finds a server."""

    @property
    def port(self) -> int: ...

    @property
    def ws_url(self) -> str: ...

    @property
    def tls(self) -> ssl.SSLContext | None: ...


class Client:
    """A user with a WebSocket; messages as dicts. It reads, and answers pings, when it is asked to receive.

    On one thread, since Python's TLS sockets do not take two well.
    """

    def __init__(
        self,
        server: Endpoint,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        source: str | None = None,
        **options: Any,
    ) -> None:
        """Connect, from the address `source` of this machine if it is given."""
        place = (source, 0) if source else None
        self._socket: socket.socket = socket.create_connection(("localhost", server.port), TIMEOUT, place)
        if server.tls:
            self._socket = server.tls.wrap_socket(self._socket, server_hostname="localhost")
        self._events: deque[Frame] = deque()
        self._protocol = ClientProtocol(parse_uri(server.ws_url + path), **options)
        self.request = self._protocol.connect()
        self.request.headers.update(headers or {})
        self._protocol.send_request(self.request)
        self._flush()
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._protocol.receive_data(self._socket.recv(65_536))
        self.response, *events = self._protocol.events_received()
        self._keep(events)
        if self._protocol.handshake_exc is not None:
            self._socket.close()
            raise self._protocol.handshake_exc

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.close()
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(b"".join(self._protocol.data_to_send()))

    def _read(self) -> bool:
        """Take in what arrives next; False at the end of the TCP connection."""
        data = b""
        with suppress(ConnectionError, ssl.SSLEOFError):
            data = self._socket.recv(65_536)
        if not data:
            return False
        ended = self._protocol.close_rcvd is not None
        self._protocol.receive_data(data)
        if (close := self._protocol.close_rcvd) is not None:
            last = Frame(Opcode.CLOSE, close.serialize()).serialize(mask=False)
            assert not ended, "nothing may follow a close frame (RFC 6455, section 5.5.1)"
            assert data.endswith(last[-len(data) :]), "nothing may follow a close frame"
        self._keep(self._protocol.events_received())
        with suppress(OSError):
            self._answer(b"".join(self._protocol.data_to_send()))
        return True

    def _keep(self, events: Iterable[Event]) -> None:
        self._events += (event for event in events if isinstance(event, Frame))

    def _answer(self, data: bytes) -> None:
        self._socket.sendall(data)

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    def send(self, text: str | bytes | None = None, **fields: Any) -> None:
        """Send a message of `fields`, or `text` as it is: `str` as text, `bytes` as a binary message."""
        if isinstance(text, bytes):
            self._protocol.send_binary(text)
        else:
            self.send_text((json.dumps(fields) if text is None else text).encode())
        self._flush()

    def send_text(self, *pieces: bytes) -> None:
        """Send a text message in `pieces`, which need not be UTF-8."""
        for number, piece in enumerate(pieces):
            send = self._protocol.send_continuation if number else self._protocol.send_text
            send(piece, fin=number == len(pieces) - 1)
        self._flush()

    def ping(self) -> bool:
        """Send a ping, and tell if its pong came next."""
        self._protocol.send_ping(b"?")
        self._flush()
        frame = self._next()
        return frame is not None and (frame.opcode, frame.data) == (Opcode.PONG, b"?")

    def _next(self) -> Frame | None:
        while not self._events:
            if not self._read():
                return None
        return self._events.popleft()

    def receive(self) -> dict[str, Any]:
        """Wait for the next message."""
        while (frame := self._next()) is not None:
            if frame.opcode is not Opcode.PING:
                assert frame.opcode is Opcode.TEXT, f"the server always sends text: {frame}"
                return dict(json.loads(bytes(frame.data)))
        raise AssertionError("the connection ended")

    def join(self, user: Any, remote: Any) -> list[dict[str, Any]]:
        """Join, and return the two replies."""
        self.send(type="join", userId=user, remoteId=remote)
        return [self.receive(), self.receive()]

    def ask(self, text: str | bytes | None = None, **fields: Any) -> dict[str, Any]:
        """Send, and return the one reply."""
        self.send(text, **fields)
        return self.receive()

    def answer_pings(self, count: int) -> None:
        """Wait until the server has pinged so often, and sent nothing else."""
        for _ in range(count):
            frame = self._next()
            assert frame is not None, "the connection ended"
            assert frame.opcode is Opcode.PING, frame

    def quiet(self) -> bool:
        """Tell if nothing was sent to this client: the answer to a ping comes right behind."""
        return self.ask(type="ping", id="quiet") == {"type": "pong", "id": "quiet"}

    def close(self, code: int = 1000) -> None:
        """Close, and wait for the answer."""
        self.start_close(code)
        self.closed()

    def start_close(self, code: int = 1000) -> None:
        """Send a close frame, and leave the answer unread."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()

    def closed(self) -> tuple[int, str]:
        """Wait for the end of the TCP connection, and return the server's close code and reason."""
        while self._read():
            pass
        self._socket.close()
        close = self._protocol.close_rcvd
        return (close.code, close.reason) if close else (1006, "")

    def vanish(self) -> None:
        """End the TCP connection without a close frame."""
        self._socket.close()


class Mute(Client):
    """A user whose client never answers: no pong, no close. What a connection is whose other end is gone."""

    def _answer(self, data: bytes) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def meet(server: Endpoint, one: Any = "alice", other: Any = "bob") -> tuple[Client, Client]:
    """Return two clients in one room, `one` having been there first, with nothing left to receive."""
    first, second = Client(server), Client(server)
    first.join(one, other)
    second.join(other, one)
    assert [first.receive()["type"], first.receive()["type"]] == ["ready", "roomInfo"]
    return first, second
