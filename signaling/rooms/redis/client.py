"""A node's connections to Redis, which it opens again when they break, and the heartbeat that extends its lease.

The rooms are divided into partitions; without a cluster there is one. The keys and channels of a partition are in one
hash slot, so that one script can change them in one step. A node has one connection to each server, for its partitions.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent.socket
from gevent.event import Event

from ...config.redis_url import Address, Servers
from ...config.settings import Settings
from ...process.supervisor import ErrorLog, spawn_forever
from ...protocol.messages import Pair
from ...security.start_secret import START_SECRET
from .connection import OnReply, RedisConnection, RedisConnectionError
from .connector import Connector
from .description import Description
from .evictions import Evictions
from .partition_rooms import PartitionRooms
from .scripts import Scripts

log = logging.getLogger(__name__)

HEARTBEATS = 10
"""How often a node extends its lease within the node timeout."""

LEASE = 0.7
"""The length of a lease, as a share of the node timeout. The other nodes check it at each heartbeat."""

RECONNECT_INTERVAL = 0.5
"""The least number of seconds between two connects, so that a connection that always breaks costs little CPU."""


class RedisClient:
    """The connections of one node to Redis.

    Attributes:
        worker: the name of this node in Redis.
        lease: the length of its lease in milliseconds, as a script takes it.
        lease_ends: by partition, the monotonic time until which no other node can evict this one.
        up: by partition, the connection that is ready for commands, or None.
        broken: how many connections broke that were ready.
        secret: the secret of all nodes for pseudonyms; until Redis has told it, the one of this node, or empty.
        evictions: the evictions of dead nodes.
    """

    def __init__(self, settings: Settings, rooms: PartitionRooms, describe: Callable[[], bytes]) -> None:
        """Connect at :meth:`start`; ``describe`` returns what this node tells the others about itself, as JSON."""
        self.worker = secrets.token_hex(8)
        self.lease = str(int(settings.node_timeout * LEASE * 1000))
        self._interval = settings.node_timeout / HEARTBEATS
        # An id is unique, and need not be secret. A counter costs less than randomness for each.
        self._call_ids = map((self.worker + "{:016x}").format, itertools.count(1))
        self._call_grace = str(int(settings.call_grace * 1_000_000))
        self._description = Description(describe)
        self._rooms = rooms
        servers = Servers.of(settings.redis_url)
        self._connector = Connector(settings)
        self._scripts = Scripts(sharded=servers.kind == "cluster")
        self._prefix = settings.redis_prefix
        self._timeout = settings.redis_timeout
        self._max_bytes = settings.redis_buffer_bytes
        self.up: list[RedisConnection | None] = [None] * servers.partitions
        self.broken = 0
        self.secret = START_SECRET if settings.privacy and not settings.privacy_salt else b""
        self._opening: list[RedisConnection | None] = [None] * servers.partitions
        self.lease_ends = [0.0] * servers.partitions
        self._epochs = [""] * servers.partitions
        self.evictions = Evictions(self.key, self.worker, self._scripts.digests["evict"], rooms.evict)
        self._workers: list[dict[str, bytes]] = [{}] * servers.partitions
        self._ready = [Event() for _ in self.up]
        self._disconnected = Event()
        self._connected_at = -RECONNECT_INTERVAL
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._error_logged = False
        self._errors = ErrorLog("the connection to Redis")

    @property
    def all_up(self) -> bool:
        """Whether all partitions have a connection."""
        return None not in self.up

    @property
    def workers(self) -> dict[str, bytes]:
        """The descriptions of the nodes that are alive, as of the last heartbeat, by name."""
        return self._workers[0]

    def key(self, partition: int, name: str) -> str:
        """Return the name of a key of a partition."""
        return f"{self._prefix}:{{{partition}}}:{name}"

    def channel(self, partition: int, worker: str) -> bytes:
        """Return the channel of the node ``worker`` in a partition."""
        return self.key(partition, f"worker:{worker}").encode()

    # Commands.

    def wait_for(self, partition: int) -> RedisConnection:
        """Return the connection of a partition, and wait until it has one.

        Raises:
            RedisConnectionError: it has none within the timeout.
        """
        self.start()
        if self._ready[partition].wait(self._timeout) and (connection := self.up[partition]) is not None:
            return connection
        raise RedisConnectionError("not connected")

    def execute(self, connection: RedisConnection, *command: str | bytes) -> Any:
        """Return the reply to a command. Waits.

        Raises:
            RedisConnectionError: the reply is an error, or none came within the timeout.
        """
        return connection.execute(*command, seconds=self._timeout)

    def connection_of(self, partition: int) -> RedisConnection | None:
        """Return the connection of a partition, even during the resync, or None."""
        return self.up[partition] or self._opening[partition]

    def run(
        self,
        connection: RedisConnection,
        on_reply: OnReply,
        script: str,
        partition: int,
        room: str,
        pair: Pair,
        *more: str | bytes,
    ) -> None:
        """Run a script on a room in Redis. Does not wait.

        If the reply is an error, the connection breaks before ``on_reply`` gets it.
        """
        keys = self.key(partition, f"room:{room}"), self.key(partition, "workers")
        head = self.key(partition, ""), self.worker, self._epochs[partition], *pair, self._call_grace
        connection.send_checked(
            on_reply, "EVALSHA", self._scripts.digests[script], "2", *keys, *head, next(self._call_ids), *more
        )

    # Connections.

    def start(self) -> None:
        """Connect, and reconnect whenever a connection breaks. Does not wait."""
        if not self._greenlets:
            self._greenlets = [
                spawn_forever("the connection to Redis", self._stay_connected, report=self._report_error),
                spawn_forever("the heartbeat to Redis", self._heartbeat),
            ]

    def stop(self) -> None:
        """Send the commands that wait, remove this node from Redis, and disconnect. Waits."""
        gevent.killall(self._greenlets)
        for partition, connection in enumerate(self.up):
            if connection is not None:
                with suppress(RedisConnectionError):
                    self.execute(connection, "HDEL", self.key(partition, "workers"), self.worker)
        for connection in {connection for connection in (*self.up, *self._opening) if connection is not None}:
            connection.abort("the node stops")

    def _stay_connected(self) -> None:
        """Wait until a connection is missing, and open it. A loop calls it."""
        self._disconnected.clear()
        if self.all_up:
            self._disconnected.wait()
        gevent.sleep(max(0.0, self._connected_at + RECONNECT_INTERVAL - time.monotonic()))
        self._connect()

    def _report_error(self, error: BaseException) -> None:
        if not isinstance(error, RedisConnectionError):
            self._errors.add(error)
        if not self._error_logged:
            self._error_logged = True
            log.error("Redis cannot be used: %s; the server keeps trying", error or repr(error))

    def _connect(self) -> None:
        """Open the connections that are missing.

        Raises:
            RedisConnectionError: one of them could not be opened.
        """
        errors = []
        for address, partitions in self._connector.locate().items():
            missing = [partition for partition in partitions if self.up[partition] is None]
            if missing:
                try:
                    self._open(address, missing)
                except Exception as error:
                    # Go on with the other servers: they do not depend on this one.
                    if not isinstance(error, RedisConnectionError):
                        self._errors.add(error)
                    errors.append(f"{address}: {error}")
        if errors:
            raise RedisConnectionError("; ".join(errors))

    def _open(self, address: Address, partitions: list[int]) -> None:
        connection = self._connector.open(address, self._make_connection)
        try:
            for source in self._scripts.sources:
                self.execute(connection, "SCRIPT", "LOAD", source)
            for partition in partitions:
                self._opening[partition] = connection
                self._epochs[partition] = secrets.token_hex(4)
                connection.push(self._scripts.subscribe, self.channel(partition, self.worker))
                keys = self.key(partition, "workers"), self.key(partition, "pseudonyms")
                # The first partition has the secret of all.
                own = b"" if partition else self.secret
                arguments = self.worker, self._epochs[partition], self.lease, self._description(), own
                self.lease_ends[partition] = time.monotonic() + int(self.lease) / 1000
                shared = self.execute(connection, "EVALSHA", self._scripts.digests["register"], "2", *keys, *arguments)
                self.secret = shared or self.secret
                self._rooms.resync(connection, partition)
            if connection.broken:
                # It broke after its last reply, before this greenlet continued.
                raise RedisConnectionError(connection.broken)
            for partition in partitions:
                self._opening[partition], self.up[partition] = None, connection
                self._ready[partition].set()
        except BaseException as error:
            connection.abort(str(error) or repr(error))
            raise
        self._connected_at = time.monotonic()
        log.info("Connected to Redis at %s", address)
        self._error_logged = False

    def _make_connection(self, sock: gevent.socket.socket) -> RedisConnection:
        return RedisConnection(sock, self._on_push, self._on_close, self._scripts.publish, self._max_bytes)

    def _on_close(self, connection: RedisConnection) -> None:
        self.broken += connection in self.up
        for partition in range(len(self.up)):
            if self.up[partition] is connection:
                self.up[partition] = None
                self._ready[partition].clear()
            if self._opening[partition] is connection:
                self._opening[partition] = None
        # The next connection begins again with the dead nodes.
        self.evictions.forget(partition for partition, connection in enumerate(self.up) if connection is None)
        self._disconnected.set()

    def _on_push(self, push: list[Any]) -> None:
        if push[0] in (b"message", b"smessage"):
            self._rooms.published(push[2])
        elif push[0] == b"sunsubscribe":
            for connection in self.up:
                if connection is not None:
                    connection.abort("hash slots of the cluster moved")

    # Heartbeat.

    def _heartbeat(self) -> None:
        """Extend the leases, check that each server replies, and wait. A loop calls it."""
        description = self._description()
        for partition, connection in enumerate(self.up):
            if connection is not None:
                self._extend_lease(connection, partition, description)
        for connection in {connection for connection in self.up if connection is not None}:
            # Without a reply, this breaks the connection.
            with suppress(RedisConnectionError):
                self.execute(connection, "PING")
        gevent.sleep(self._interval)

    def refresh_workers(self) -> None:
        """Learn now which nodes are alive, without a wait for the next heartbeat. Waits for Redis.

        Raises:
            RedisConnectionError: Redis does not reply.
        """
        connection = self.wait_for(0)
        self._extend_lease(connection, 0, self._description())
        self.execute(connection, "PING")

    def _extend_lease(self, connection: RedisConnection, partition: int, description: bytes) -> None:
        sent = time.monotonic()

        def on_reply(reply: Any) -> None:
            if isinstance(reply, Exception):
                return
            alive, dead, ending = reply
            self.lease_ends[partition] = sent + int(self.lease) / 1000
            self._rooms.expire(partition, ending)
            self._workers[partition] = dict(zip(map(bytes.decode, alive[::2]), alive[1::2], strict=True))
            for worker in dead:
                self.evictions.begin(connection, partition, worker)

        keys = self.key(partition, "workers"), self.key(partition, "ending")
        arguments = self.worker, self._epochs[partition], self.lease, description
        connection.send_checked(on_reply, "EVALSHA", self._scripts.digests["heartbeat"], "2", *keys, *arguments)
