"""Whose address a client has, and how many connections each address has and opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .limits import Allowance, Rate
from .settings import Settings

_MOST_KEPT = 100_000
"""Addresses whose rate is known at the most; those that came first are forgotten first."""


class Proxies:
    """The proxies whose ``X-Forwarded-For`` is believed."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Take addresses and networks, and ``unix`` for whoever connects to a Unix socket.

        Raises:
            ValueError: one of them is none of these.
        """
        names = set(trusted)
        self._unix = "unix" in names
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name, strict=False) for name in names if name != "unix"
        ]

    def client(self, remote: str, forwarded: str) -> str:
        """Return the address of the client.

        Args:
            remote: the address of who is connected; empty for a Unix socket.
            forwarded: the value of ``X-Forwarded-For``, to which each proxy added whom it was connected to.
        """
        address = plain(remote)
        for hop in reversed(forwarded.split(",")):
            if not self.trusts(address):
                break
            # What a proxy could not tell, or a client made up, ends the way back.
            if (said := plain(hop.strip())) is None:
                break
            address = said
        return address or ""

    def trusts(self, address: str | None) -> bool:
        """Tell if ``address`` is that of a proxy; the empty one is a Unix socket's."""
        if not address:
            return self._unix
        if not self._networks:
            return False
        found = ip_address(address)
        return any(found in network for network in self._networks)


@lru_cache(4_096)
def plain(address: str) -> str | None:
    """Return an address without port, brackets and zone, an IPv4-mapped one as IPv4; None if it is none."""
    text = address.partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


@lru_cache(4_096)
def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, which is what one subscriber has."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))


class Addresses:
    """The connections of each address: how many there are, and how often a new one comes."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.connections_per_ip
        self._rate = Rate.of(settings.connection_rate, "new connections", settings.connection_burst)
        self._open: Counter[str] = Counter()
        self._new: dict[str, Allowance] = {}

    def __len__(self) -> int:
        """The number of addresses of which something is known."""
        return len(self._open.keys() | self._new.keys())

    def refusal(self, address: str, now: float, *, count: bool = True) -> str | None:
        """Return why ``address`` may have no further connection at ``now``, seconds of a monotonic clock, or None.

        With ``count`` this is an attempt, and uses up a part of the rate. A client on a Unix socket whose address
        nobody tells is never refused.
        """
        if not address:
            return None
        key = network(address)
        if self._most and self._open[key] >= self._most:
            return f"Too many connections from one address: at most {self._most}."
        if self._rate.interval and not count:
            known = self._new.get(key)
            if known is not None and known.spent(now):
                return f"Too many new connections from one address: {self._rate.words}."
        elif self._rate.interval:
            allowance = self._new.pop(key, None) or Allowance(self._rate)
            self._forget(now)
            self._new[key] = allowance
            if not allowance.take(now):
                return f"Too many new connections from one address: {self._rate.words}."
        return None

    def _forget(self, now: float) -> None:
        # In the order of the last attempt, so that the first ones are the first to be full again.
        while self._new:
            first = next(iter(self._new))
            if len(self._new) < _MOST_KEPT and not self._new[first].idle(now):
                break
            del self._new[first]

    def add(self, address: str) -> None:
        """Count a connection of ``address``."""
        if self._most and address:
            self._open[network(address)] += 1

    def discard(self, address: str) -> None:
        """Count one less."""
        if self._most and address:
            key = network(address)
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
