"""Whose address a client has. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


class TrustedProxies:
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
        return any(found in rate_limit_key for rate_limit_key in self._networks)


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
def rate_limit_key(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, which is what one subscriber has."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))
