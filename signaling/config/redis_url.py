"""Parse the URL of Redis: one server, the master that Sentinels name, or a cluster. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

CLUSTER_PARTITIONS = 64
"""Partitions of the rooms in a cluster: enough to spread over its shards."""

_SCHEME = re.compile(r"(rediss?)(\+sentinel|\+cluster)?|unix")
# One label of a host name. Names of containers may have underscores.
_is_label = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?").fullmatch
_PORT = 6379
_SENTINEL_PORT = 26379


class Address(NamedTuple):
    """The address of one server."""

    host: str
    """The host, or the path of the Unix socket if the port is 0."""
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Servers(NamedTuple):
    """The servers that a URL names."""

    kind: str
    """``""`` for one server, ``sentinel`` or ``cluster``."""
    addresses: tuple[Address, ...]
    tls: bool
    username: str
    password: str
    database: int
    service: str
    """The name of the master that the Sentinels watch."""

    @property
    def partitions(self) -> int:
        """The number of partitions of the rooms."""
        return CLUSTER_PARTITIONS if self.kind == "cluster" else 1

    def __str__(self) -> str:
        return ", ".join(map(str, self.addresses))

    @classmethod
    def of(cls, url: str) -> Servers:
        """Return the servers that ``url`` names.

        The forms are ``redis://user:password@host:port/database``, ``rediss://`` for TLS, ``unix:///path``,
        ``redis+sentinel://host:port,host:port/service/database`` and ``redis+cluster://host:port,host:port``.

        Raises:
            ValueError: the URL has none of these forms. The message says what to write; it never contains a password.
        """
        scheme, separator, rest = url.partition("://")
        match = _SCHEME.fullmatch(scheme)
        if match is None or not separator:
            raise ValueError("write a URL such as redis://localhost:6379/0")
        # urlsplit cannot parse a list of hosts, but it finds the path and the query behind it.
        credentials, _, location = rest.rpartition("@")
        parts = urlsplit(f"redis://{location}")
        username, colon, password = credentials.partition(":")
        if not colon:
            # As in redis-cli, a single word is the password.
            username, password = "", username
        if scheme == "unix":
            database = parse_qs(parts.query).get("db", ["0"])[0]
            path = unquote(parts.netloc + parts.path)
            if not path.startswith("/") or not database.isdecimal():
                raise ValueError("write a Unix socket as unix:///run/redis/redis.sock")
            return cls("", (Address(path, 0),), False, unquote(username), unquote(password), int(database), "")
        kind = (match[2] or "")[1:]
        default = _SENTINEL_PORT if kind == "sentinel" else _PORT
        addresses = tuple(_address(text, default) for text in parts.netloc.split(","))
        if len(addresses) > 1 and not kind:
            raise ValueError("write several servers as redis+sentinel:// or redis+cluster://")
        steps = [unquote(step) for step in parts.path.split("/") if step]
        service = steps.pop(0) if kind == "sentinel" and steps else ""
        if kind == "sentinel" and not service:
            raise ValueError("begin the path with the name of the master that the Sentinels watch")
        database = steps.pop(0) if steps and kind != "cluster" else "0"
        if steps or not database.isdecimal():
            raise ValueError("write the number of the database as the path; a cluster has none")
        return cls(kind, addresses, match[1] == "rediss", unquote(username), unquote(password), int(database), service)


def _address(text: str, default: int) -> Address:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or default
    except ValueError:
        raise ValueError("write a port from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("write a host; one is missing")
    if ":" not in parts.hostname and not all(map(_is_label, parts.hostname.removesuffix(".").split("."))):
        raise ValueError("write each host as a name such as redis.example.org, or as an address")
    return Address(parts.hostname, port)
