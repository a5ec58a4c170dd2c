"""The address of a client, also behind proxies. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


class TrustedProxies:
    """The proxies whose ``X-Forwarded-For`` is trusted."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Trust these addresses and networks, and with ``unix`` everybody who connects to a Unix socket.

        Raises:
            ValueError: an entry is neither an address, nor a network, nor ``unix``.
        """
        names = set(trusted)
        self._unix = "unix" in names
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name, strict=False) for name in names if name != "unix"
        ]

    def client(self, remote: str, forwarded: str) -> str:
        """Return the address of the client, or an empty text if nobody tells it.

        Args:
            remote: the address at the other end of the TCP connection; empty for a Unix socket.
            forwarded: the value of ``X-Forwarded-For``. Each proxy appends the address that connected to it.
        """
        address = plain(remote)
        for hop in reversed(forwarded.split(",")):
            if not self.trusts(address):
                break
            # A client can make up everything before the first trusted proxy.
            if (parsed := plain(hop.strip())) is None:
                break
            address = parsed
        return address or ""

    def trusts(self, address: str | None) -> bool:
        """Return whether ``address`` is a trusted proxy. A Unix socket has an empty address."""
        if not address:
            return self._unix
        if not self._networks:
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)


@lru_cache(4_096)
def plain(address: str) -> str | None:
    """Return ``address`` without port, brackets and zone, or None if it is no address.

    An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) becomes IPv4.
    """
    text = address.partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


@lru_cache(4_096)
def rate_limit_key(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or an IPv6 network of 64 bits.

    One subscriber has all addresses of such a network.
    """
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))
