"""The attacking process: ``python -m tests.attacks.attacker NAME PORT SECONDS``, one thread, raw sockets.

It prints a line when it begins, and at the end what it did, as JSON.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import resource
import selectors
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import suppress

from tests.attacks.attack import Attack, Control, Pause

ADDRESS = "127.0.0.2"
"""The attacker's address, so that limits by address do not concern the users at 127.0.0.1."""

NICENESS = 10
MAX_CONNECTIONS = 1_000
MAX_CONNECTS = 20_000
MAX_BYTES = 4 * 2**30

_READ_BYTES = 262_144
_READS_AT_ONCE = 8
_SENDS_AT_ONCE = 32
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Wait = tuple[int, float]
"""The events a connection waits for, and for how many seconds at most."""


class Attacker:
    """One run of an attack. It never does more than the bounds above."""

    def __init__(self, attack: Attack, port: int, seconds: float) -> None:
        self._attack, self._port = attack, port
        self._until = time.monotonic() + seconds
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, _Connection]] = []
        self._numbers = itertools.count()
        self.done: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        """Attack until time is over, and return counts of what was done."""
        for number in range(min(self._attack.connections, MAX_CONNECTIONS)):
            self._resume(_Connection(self._attack, number), 0)
        while (now := time.monotonic()) < self._until and self.done["sent"] < MAX_BYTES:
            due = self._timers[0][0] if self._timers else self._until
            if self._selector.get_map():
                for key, events in self._selector.select(max(0.0, min(due, self._until) - now)):
                    self._resume(key.data, events)
            else:
                time.sleep(max(0.0, min(due, self._until) - now))
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                _, turn, connection = heapq.heappop(self._timers)
                if turn == connection.turn:
                    self._resume(connection, 0)
        return self.done

    def _resume(self, connection: _Connection, events: int) -> None:
        connection.turn = next(self._numbers)
        if connection.registered:
            self._selector.unregister(connection.sock)
            connection.registered = False
        if connection.life is None:
            if self.done["connections"] >= MAX_CONNECTS:
                return
            self.done["connections"] += 1
            connection.life = connection.live(self._port, self._tls, self.done)
        try:
            waits_for, seconds = connection.life.send(events or None)
        except StopIteration:
            connection.life = None
            waits_for, seconds = 0, self._attack.retry
        except OSError:
            self.done["ended"] += 1
            connection.life = None
            waits_for, seconds = 0, self._attack.retry
        if waits_for:
            self._selector.register(connection.sock, waits_for, connection)
            connection.registered = True
        if seconds != float("inf"):
            heapq.heappush(self._timers, (time.monotonic() + seconds, connection.turn, connection))


class _Connection:
    """One place among the attacker's connections, whose TCP connection may be opened again and again."""

    def __init__(self, attack: Attack, number: int) -> None:
        self.turn = 0
        self.registered = False
        self.sock: socket.socket
        self.life: Generator[Wait, int | None, None] | None = None
        self._attack, self._number = attack, number
        self._deaf = False

    def live(self, port: int, tls: ssl.SSLContext, done: Counter[str]) -> Generator[Wait, int | None, None]:
        """Connect, take the steps of the script, and end; yield what to wait for.

        Raises:
            OSError: the server ended the connection.
        """
        self._deaf, self._done = False, done
        self.sock = socket.socket()
        try:
            yield from self._connect(port, tls)
            for number, step in enumerate(self._attack.script(self._number), 1):
                if isinstance(step, bytes):
                    yield from self._send(step)
                    if number % _SENDS_AT_ONCE == 0 or len(step) >= 1_024:
                        self._read()
                        yield 0, 0.0
                elif isinstance(step, Pause):
                    yield from self._pause(step.seconds)
                elif step is Control.DEAF:
                    self._deaf = True
                else:
                    yield from self._wait_for_answer(to_the_end=step is Control.EOF)
        finally:
            if self._attack.reset:
                with suppress(OSError):
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.sock.close()

    def _connect(self, port: int, tls: ssl.SSLContext) -> Generator[Wait, int | None, None]:
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._attack.receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._attack.receive_bytes)
        self.sock.bind((ADDRESS, 0))
        with suppress(BlockingIOError):
            self.sock.connect(("127.0.0.1", port))
        yield _WRITE, float("inf")
        if error := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        if self._attack.tls:
            secure = tls.wrap_socket(self.sock, do_handshake_on_connect=False, server_hostname="localhost")
            self.sock = secure
            while True:
                try:
                    secure.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    yield _READ, float("inf")
                except ssl.SSLWantWriteError:
                    yield _WRITE, float("inf")

    def _send(self, data: bytes) -> Generator[Wait, int | None, None]:
        view = memoryview(data)
        while view:
            try:
                sent = self.sock.send(view)
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield _WRITE if self._deaf else _READ | _WRITE, float("inf")
                self._read()
            except ssl.SSLWantReadError:
                yield _READ, float("inf")
            else:
                self._done["sent"] += sent
                view = view[sent:]

    def _pause(self, seconds: float) -> Generator[Wait, int | None, None]:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            yield 0 if self._deaf else _READ, left
            self._read()

    def _wait_for_answer(self, to_the_end: bool) -> Generator[Wait, int | None, None]:
        received = b""
        while True:
            try:
                data = self.sock.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                yield _READ, float("inf")
                continue
            self._done["received"] += len(data)
            if not data:
                raise ConnectionError("ended by the server")
            received = received[-3:] + data
            if b"\r\n\r\n" in received and not to_the_end:
                return

    def _read(self) -> None:
        """Read and forget what there is.

        Raises:
            OSError: it is the end.
        """
        if self._deaf:
            return
        for _ in range(_READS_AT_ONCE):
            try:
                data = self.sock.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            self._done["received"] += len(data)
            if not data:
                raise ConnectionError("ended by the server")


def main() -> None:
    from tests.attacks.catalogue import ATTACKS

    name, port, seconds = sys.argv[1:]
    os.nice(NICENESS)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = next(attack for attack in ATTACKS if attack.name == name)
    print("attacking", flush=True)
    print(json.dumps(Attacker(attack, int(port), float(seconds)).run()), flush=True)
    # The kernel ends what is open; a TLS farewell to each would take its time.
    os._exit(0)


if __name__ == "__main__":
    main()
