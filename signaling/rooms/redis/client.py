"""A worker's links to Redis: opened, opened anew when they break, and kept alive; and who of the workers is alive.

The rooms are divided into partitions, one where there is one server. What a partition has in Redis is in one hash slot,
the channels included, so that one script can change it in one step. A link is a server's, and has its partitions.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import gevent
import gevent.socket
from gevent.event import Event

from ...config.redis_url import Address, Servers
from ...config.settings import Settings
from ...process.supervisor import ErrorLog, spawn_forever
from ...protocol.messages import Pair
from .connection import RedisConnection, RedisConnectionError, Then, checked
from .connector import Connector
from .evictions import Evictions
from .scripts import Scripts

log = logging.getLogger(__name__)

HEARTBEATS = 10
"""How often a worker says within the node timeout that it is there."""

LEASE = 0.7
"""The part of the node timeout after which the others take a worker for dead; they look once a beat."""

RECONNECT_INTERVAL = 0.5
"""Seconds between two connects at the least: a link that breaks each time must not take all the CPU."""


class PartitionRooms(Protocol):
    """What a worker knows of the rooms."""

    def published(self, data: bytes) -> None:
        """Take in what was published to this worker. Does not wait."""

    def resync(self, connection: RedisConnection, partition: int) -> None:
        """Make a partition in Redis agree with what this worker knows. Waits.

        Raises:
            RedisConnectionError: Redis does not answer.
        """

    def evict(self, pair: Pair, id_: str, key: str, worker: str) -> None:
        """Take a connection that is lost out of its room. Does not wait."""


class RedisClient:
    """The links of one worker.

    Attributes:
        worker: the name of this worker in Redis.
        lease: for how long it may be silent, in milliseconds.
        up: by partition, its link while all is in order; else None.
        broken: how many that were up broke.
    """

    def __init__(self, settings: Settings, rooms: PartitionRooms, describe: Callable[[], bytes]) -> None:
        """Begin at :meth:`start`; ``describe`` is what this worker tells the others of itself, as JSON."""
        self.worker = secrets.token_hex(8)
        self.lease = str(int(settings.node_timeout * LEASE * 1000))
        self._interval = settings.node_timeout / HEARTBEATS
        self._describe = describe
        self._rooms = rooms
        servers = Servers.of(settings.redis_url)
        self._connector = Connector(settings)
        self._scripts = Scripts(sharded=servers.kind == "cluster")
        self._prefix = settings.redis_prefix
        self._seconds = settings.redis_timeout
        self._max_bytes = settings.redis_buffer_bytes
        self.up: list[RedisConnection | None] = [None] * servers.partitions
        self.broken = 0
        self._opening: list[RedisConnection | None] = [None] * servers.partitions
        self._epochs = [""] * servers.partitions
        self._evictions = Evictions(self.key, self._scripts.digests["evict"], rooms.evict)
        self._workers: list[dict[str, bytes]] = [{}] * servers.partitions
        self._ready = [Event() for _ in self.up]
        self._news = Event()
        self._connected_at = -RECONNECT_INTERVAL
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._complained = False
        self._errors = ErrorLog("the connection to Redis")
        self._describing = ErrorLog("what this worker tells of itself")

    @property
    def all_up(self) -> bool:
        """Whether all of Redis can be reached."""
        return None not in self.up

    @property
    def workers(self) -> dict[str, bytes]:
        """What each worker that is alive told of itself at its last beat, by its name."""
        return self._workers[0]

    def key(self, partition: int, name: str) -> str:
        """Return the name of a key of a partition."""
        return f"{self._prefix}:{{{partition}}}:{name}"

    def channel(self, partition: int, worker: str) -> bytes:
        """Return the channel on which ``worker`` hears of a partition."""
        return self.key(partition, f"worker:{worker}").encode()

    # Asking.

    def wait_for(self, partition: int) -> RedisConnection:
        """Return the link of a partition, once it has one.

        Raises:
            RedisConnectionError: it has none in time.
        """
        self.start()
        if self._ready[partition].wait(self._seconds):
            connection = self.up[partition]
            if connection is not None:
                return connection
        raise RedisConnectionError("not connected")

    def execute(self, connection: RedisConnection, *command: str | bytes) -> Any:
        """Return the answer to a command.

        Raises:
            RedisConnectionError: there is none in time, or it is an error.
        """
        return connection.execute(*command, seconds=self._seconds)

    def any_of(self, partition: int) -> RedisConnection | None:
        """Return the link of a partition, also while it is being put in order."""
        return self.up[partition] or self._opening[partition]

    def run(
        self,
        connection: RedisConnection,
        then: Then,
        script: str,
        partition: int,
        room: str,
        pair: Pair,
        *more: str | bytes,
    ) -> None:
        """Have Redis run a script on a room. Does not wait; an answer that is an error breaks the link first."""
        connection.send(
            partial(checked, connection, then),
            *("EVALSHA", self._scripts.digests[script]),
            *("2", self.key(partition, f"room:{room}"), self.key(partition, "workers")),
            *(self.key(partition, ""), self.worker, self._epochs[partition], *pair, *more),
        )

    # Being connected.

    def start(self) -> None:
        """Connect, and stay connected. Does not wait."""
        if not self._greenlets:
            self._greenlets = [
                spawn_forever("the connection to Redis", self._stay_connected, report=self._report),
                spawn_forever("the heartbeat to Redis", self._heartbeat),
            ]

    def stop(self) -> None:
        """Tell Redis what it was not told yet, and be known there no more. Waits."""
        gevent.killall(self._greenlets)
        for partition, connection in enumerate(self.up):
            if connection is not None:
                with suppress(RedisConnectionError):
                    self.execute(connection, "HDEL", self.key(partition, "workers"), self.worker)
        for connection in {connection for connection in (*self.up, *self._opening) if connection is not None}:
            connection.abort("the worker stops")

    def _stay_connected(self) -> None:
        """Wait until a link is missing, and open it. It is called again and again."""
        self._news.clear()
        if self.all_up:
            self._news.wait()
        gevent.sleep(max(0.0, self._connected_at + RECONNECT_INTERVAL - time.monotonic()))
        self._connect()

    def _report(self, error: BaseException) -> None:
        if not isinstance(error, RedisConnectionError):
            self._errors.add(error)
        if not self._complained:
            self._complained = True
            log.error("Redis cannot be used: %s; the server keeps trying", error or repr(error))

    def _connect(self) -> None:
        """Open the links that are missing.

        Raises:
            RedisConnectionError: for one of them it was not possible.
        """
        faults = []
        for address, partitions in self._connector.locate().items():
            missing = [partition for partition in partitions if self.up[partition] is None]
            if missing:
                try:
                    self._open(address, missing)
                except Exception as error:
                    # The other servers are not to wait for this one.
                    if not isinstance(error, RedisConnectionError):
                        self._errors.add(error)
                    faults.append(f"{address}: {error}")
        if faults:
            raise RedisConnectionError("; ".join(faults))

    def _open(self, address: Address, partitions: list[int]) -> None:
        connection = self._connector.open(address, self._connection)
        try:
            for source in self._scripts.sources:
                self.execute(connection, "SCRIPT", "LOAD", source)
            for partition in partitions:
                self._opening[partition] = connection
                self._epochs[partition] = secrets.token_hex(4)
                connection.push(self._scripts.subscribe, self.channel(partition, self.worker))
                register = ("EVALSHA", self._scripts.digests["register"], "1", self.key(partition, "workers"))
                self.execute(connection, *register, self.worker, self._epochs[partition], self.lease)
                self._rooms.resync(connection, partition)
            if connection.broken:
                # It broke after its last answer, before this greenlet had its turn.
                raise RedisConnectionError(connection.broken)
            for partition in partitions:
                self._opening[partition], self.up[partition] = None, connection
                self._ready[partition].set()
        except BaseException as error:
            connection.abort(str(error) or repr(error))
            raise
        self._connected_at = time.monotonic()
        log.info("Connected to Redis at %s", address)
        self._complained = False

    def _connection(self, sock: gevent.socket.socket) -> RedisConnection:
        return RedisConnection(sock, self._on_push, self._on_close, self._scripts.publish, self._max_bytes)

    def _on_close(self, connection: RedisConnection) -> None:
        self.broken += connection in self.up
        for partition in range(len(self.up)):
            if self.up[partition] is connection:
                self.up[partition] = None
                self._ready[partition].clear()
            if self._opening[partition] is connection:
                self._opening[partition] = None
        # Another link begins again with the workers that are dead.
        self._evictions.forget([partition for partition, connection in enumerate(self.up) if connection is None])
        self._news.set()

    def _on_push(self, push: list[Any]) -> None:
        if push[0] in (b"message", b"smessage"):
            self._rooms.published(push[2])
        elif push[0] == b"sunsubscribe":
            for connection in self.up:
                if connection is not None:
                    connection.abort("parts of the cluster moved")

    # Being alive.

    def _heartbeat(self) -> None:
        """Extend the leases, check that each server answers, and wait. It is called again and again."""
        words = self._words()
        for partition, connection in enumerate(self.up):
            if connection is not None:
                self._tell(connection, partition, words)
        for connection in {connection for connection in self.up if connection is not None}:
            # One that does not answer is of no use to anybody.
            with suppress(RedisConnectionError):
                self.execute(connection, "PING")
        gevent.sleep(self._interval)

    def _words(self) -> bytes:
        try:
            return self._describe()
        except Exception as error:
            # Without a beat the others would take this worker for dead.
            self._describing.add(error)
            return b"{}"

    def _tell(self, connection: RedisConnection, partition: int, words: bytes) -> None:
        def then(reply: Any) -> None:
            if isinstance(reply, Exception):
                return
            told, over = reply
            self._workers[partition] = dict(zip(map(bytes.decode, told[::2]), told[1::2], strict=True))
            for worker in over:
                self._evictions.begin(connection, partition, worker)

        connection.send(
            partial(checked, connection, then),
            *("EVALSHA", self._scripts.digests["heartbeat"], "1", self.key(partition, "workers")),
            *(self.worker, self._epochs[partition], self.lease, words),
        )
