"""Open connections to Redis: to one server, to the master that Sentinels name, or to the shards of a cluster."""

from __future__ import annotations

import logging
import ssl
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
import gevent.socket
from gevent.ssl import SSLContext

from ...config.env import variable_name
from ...config.fallbacks import SUFFIX
from ...config.redis_url import Address, Servers
from ...config.settings import Settings
from .connection import RedisConnection, RedisConnectionError

log = logging.getLogger(__name__)

_SLOTS = 16_384
"""The hash slots of a cluster (Redis Cluster specification)."""

_UNKNOWN_HOSTS = (None, b"", b"?")
"""The hosts in a reply to ``CLUSTER SLOTS`` that name no host (Redis: ``cluster-preferred-endpoint-type``)."""


class _Passwords(NamedTuple):
    """A password of Redis or of Sentinels, and the second one while it changes."""

    first: str
    second: str
    second_name: str

    @classmethod
    def of(cls, settings: Settings, name: str, first: str) -> _Passwords:
        second = name + SUFFIX
        return cls(first, getattr(settings, second), variable_name(second))


class Connector:
    """Find the servers of the moment, and open connections to them. All methods wait."""

    def __init__(self, settings: Settings) -> None:
        self._servers = Servers.of(settings.redis_url)
        self._timeout = settings.redis_timeout
        self._passwords = _Passwords.of(settings, "redis_password", self._servers.password)
        sentinel_password = settings.redis_sentinel_password
        self._sentinel_passwords = _Passwords.of(settings, "redis_sentinel_password", sentinel_password)
        self._tls_context = _tls_context(settings.redis_ca) if self._servers.tls else None

    def locate(self) -> dict[Address, list[int]]:
        """Return the servers to write to, and the partitions of each.

        Raises:
            RedisConnectionError: no server of the URL gives a valid reply.
        """
        if not self._servers.kind:
            return {self._servers.addresses[0]: [0]}
        locate = self._master if self._servers.kind == "sentinel" else self._shards
        errors = []
        for address in self._servers.addresses:
            try:
                return locate(address)
            except RedisConnectionError as error:
                errors.append(f"{address}: {error}")
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                errors.append(f"{address}: its answer cannot be used: {error!r}")
        raise RedisConnectionError("; ".join(errors))

    def open(
        self, address: Address, make: Callable[[gevent.socket.socket], RedisConnection] = RedisConnection
    ) -> RedisConnection:
        """Return a connection to the server at ``address`` that speaks RESP3 and is ready for commands.

        Args:
            address: where the server listens.
            make: makes a connection of a connected socket.

        Raises:
            RedisConnectionError: the server cannot be reached, refuses the password, or is a replica.
        """
        servers = self._servers
        connection = make(self._connect(address))
        try:
            hello = ("HELLO", "3", "SETNAME", "webrtc-signaling")
            if servers.password:
                self._authenticate(connection, self._passwords, *hello, "AUTH", servers.username or "default")
            else:
                self._execute(connection, *hello)
            if servers.database:
                self._execute(connection, "SELECT", str(servers.database))
            # After a failover, Sentinels may still name the old master, which is a replica now.
            if servers.kind == "sentinel" and self._execute(connection, "ROLE")[0] != b"master":
                raise RedisConnectionError("it is a replica, which cannot be written to")
        except BaseException as error:
            connection.abort(str(error) or repr(error))
            raise
        return connection

    def _execute(self, connection: RedisConnection, *command: str) -> Any:
        return connection.execute(*command, seconds=self._timeout)

    def _authenticate(self, connection: RedisConnection, passwords: _Passwords, *command: str) -> None:
        """Send a command that ends with a password: the first one, and the second one if Redis refuses that."""
        try:
            self._execute(connection, *command, passwords.first)
        except RedisConnectionError as error:
            if not passwords.second or not str(error).startswith("WRONGPASS"):
                raise
            self._execute(connection, *command, passwords.second)
            log.warning("Redis refused the first password, and accepted %s", passwords.second_name)

    def _master(self, sentinel: Address) -> dict[Address, list[int]]:
        connection = RedisConnection(self._connect(sentinel))
        try:
            if self._sentinel_passwords.first:
                self._authenticate(connection, self._sentinel_passwords, "AUTH")
            found = self._execute(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._servers.service)
        finally:
            connection.abort("done")
        if not found:
            raise RedisConnectionError(f"it knows no master {self._servers.service!r}")
        host, port = found
        return {Address(host.decode(), int(port)): [0]}

    def _shards(self, seed: Address) -> dict[Address, list[int]]:
        connection = self.open(seed)
        try:
            ranges = self._execute(connection, "CLUSTER", "SLOTS")
        finally:
            connection.abort("done")
        shards: dict[Address, list[int]] = {}
        for partition in range(self._servers.partitions):
            slot = key_slot(str(partition))
            owners = [master for first, last, master, *_ in ranges if first <= slot <= last]
            if not owners:
                raise RedisConnectionError(f"no shard has slot {slot}")
            host, port, *_ = owners[0]
            # A server that does not name its host is at the host that was asked.
            known = host not in _UNKNOWN_HOSTS
            shards.setdefault(Address(host.decode() if known else seed.host, port or seed.port), []).append(partition)
        return shards

    def _connect(self, address: Address) -> gevent.socket.socket:
        sock: gevent.socket.socket | None = None
        try:
            with gevent.Timeout(self._timeout):
                if address.port:
                    sock = gevent.socket.create_connection(address)
                    sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
                else:
                    sock = gevent.socket.socket(gevent.socket.AF_UNIX)
                    sock.connect(address.host)
                if self._tls_context is not None:
                    sock = self._tls_context.wrap_socket(sock, server_hostname=address.host)
        # An impossible host name raises UnicodeError, which is a ValueError; an impossible port OverflowError.
        except (OSError, ValueError, OverflowError, gevent.Timeout) as error:
            if sock is not None:
                sock.close()
            why = f"no connection within {self._timeout:g} seconds" if isinstance(error, gevent.Timeout) else error
            raise RedisConnectionError(str(why)) from None
        return sock


def _tls_context(ca_file: str) -> SSLContext:
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs()
    return context


def key_slot(key: str) -> int:
    """Return the hash slot of a key without a hash tag (Redis Cluster specification: CRC-16/XMODEM)."""
    return crc_hqx(key.encode(), 0) % _SLOTS
