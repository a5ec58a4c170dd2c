"""What the URL of a Redis says: one server, the master that Sentinels name, or a cluster. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

CLUSTER_PARTITIONS = 64
"""Into how many parts the rooms are divided where there is a cluster: enough to spread over its shards."""

_SCHEME = re.compile(r"(rediss?)(\+sentinel|\+cluster)?|unix")
# Of a host's name; in containers it may have an underscore.
_is_label = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?").fullmatch
_PORT = 6379
_SENTINEL_PORT = 26379


class Address(NamedTuple):
    """Where one server listens."""

    host: str
    """Or the path of its Unix socket, if the port is 0."""
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Servers(NamedTuple):
    """What a URL says of Redis."""

    kind: str
    """``""`` for one server, ``sentinel`` or ``cluster``."""
    addresses: tuple[Address, ...]
    tls: bool
    username: str
    password: str
    database: int
    service: str
    """The name that Sentinels know the master by."""

    @property
    def partitions(self) -> int:
        """Into how many parts the rooms are divided."""
        return CLUSTER_PARTITIONS if self.kind == "cluster" else 1

    def __str__(self) -> str:
        return ", ".join(map(str, self.addresses))

    @classmethod
    def of(cls, url: str) -> Servers:
        """Return what ``url`` says.

        ``redis://user:password@host:port/database``, ``rediss://`` for TLS, ``unix:///path``,
        ``redis+sentinel://host:port,host:port/service/database`` and ``redis+cluster://host:port,host:port``.

        Raises:
            ValueError: it is none of these; the words never contain a password.
        """
        scheme, separator, rest = url.partition("://")
        match = _SCHEME.fullmatch(scheme)
        if match is None or not separator:
            raise ValueError("it must be a URL such as redis://localhost:6379/0")
        # urlsplit knows no lists of hosts, but what stands around them.
        credentials, _, place = rest.rpartition("@")
        parts = urlsplit(f"redis://{place}")
        username, colon, password = credentials.partition(":")
        if not colon:
            # As redis-cli has it: what stands alone is the password.
            username, password = "", username
        if scheme == "unix":
            database = parse_qs(parts.query).get("db", ["0"])[0]
            path = unquote(parts.netloc + parts.path)
            if not path.startswith("/") or not database.isdecimal():
                raise ValueError("a Unix socket is named as unix:///run/redis/redis.sock")
            return cls("", (Address(path, 0),), False, unquote(username), unquote(password), int(database), "")
        kind = (match[2] or "")[1:]
        default = _SENTINEL_PORT if kind == "sentinel" else _PORT
        addresses = tuple(_address(text, default) for text in parts.netloc.split(","))
        if len(addresses) > 1 and not kind:
            raise ValueError("several servers are redis+sentinel:// or redis+cluster://")
        steps = [unquote(step) for step in parts.path.split("/") if step]
        service = steps.pop(0) if kind == "sentinel" and steps else ""
        if kind == "sentinel" and not service:
            raise ValueError("the path must begin with the name of the master that the Sentinels watch")
        database = steps.pop(0) if steps and kind != "cluster" else "0"
        if steps or not database.isdecimal():
            raise ValueError("the path must be the number of the database, and a cluster has none")
        return cls(kind, addresses, match[1] == "rediss", unquote(username), unquote(password), int(database), service)


def _address(text: str, default: int) -> Address:
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or default
    except ValueError:
        raise ValueError("a port must be a number from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("a host is missing")
    if ":" not in parts.hostname and not all(map(_is_label, parts.hostname.removesuffix(".").split("."))):
        raise ValueError("a host must be a name such as redis.example.org, or an address")
    return Address(parts.hostname, port)
