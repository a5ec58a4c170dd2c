"""Whose address it is, and how many connections it may have."""

from __future__ import annotations

import pytest

from signaling.config.settings import Settings
from signaling.security.client_ip import TrustedProxies, rate_limit_key
from signaling.security.connection_limit import ConnectionLimiter

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::1", "unix")


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("10.0.0.1", "192.0.2.7:51234", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::5]:51234", "2001:db8::5"),
        ("10.0.0.1", "2001:db8::5", "2001:db8::5"),
        ("2001:db8:ffff::1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "\r\nX: y, <script>", "10.0.0.1"),
        ("", "192.0.2.7", "192.0.2.7"),
        ("", "", ""),
    ],
)
def test_only_a_trusted_proxy_is_believed_and_only_what_it_added(remote, forwarded, client):
    assert TrustedProxies(PROXIES).client(remote, forwarded) == client


def test_without_trusted_proxies_nobody_is_believed():
    assert TrustedProxies(()).client("127.0.0.1", "192.0.2.7") == "127.0.0.1"
    assert TrustedProxies(()).client("", "192.0.2.7") == ""


@pytest.mark.parametrize(
    ("address", "one"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_a_network_of_ipv6_is_one_address(address, one):
    assert rate_limit_key(address) == one


def test_an_address_may_have_so_many_connections_and_another_one_after_each_end():
    addresses = ConnectionLimiter(Settings(connections_per_ip=2))
    for _ in range(2):
        assert addresses.check("192.0.2.7", 0.0) is None
        addresses.add("192.0.2.7")
    assert addresses.check("192.0.2.7", 0.0) == "Too many connections from one address: at most 2."
    assert addresses.check("192.0.2.8", 0.0) is None
    addresses.discard("192.0.2.7")
    assert addresses.check("192.0.2.7", 0.0) is None


def test_an_address_may_open_so_many_at_once_and_then_at_a_rate():
    addresses = ConnectionLimiter(Settings(connection_rate=2, connection_burst=3))
    answers = [addresses.check("192.0.2.7", 0.0) for _ in range(4)]
    assert answers == [None] * 3 + ["Too many new connections from one address: at most 2 new connections a second."]
    assert addresses.check("192.0.2.8", 0.0) is None
    assert [addresses.check("192.0.2.7", now) is None for now in (0.4, 0.5, 0.6, 1.0)] == [False, True, False, True]


def test_who_is_not_known_is_not_limited():
    addresses = ConnectionLimiter(Settings(connections_per_ip=1, connection_rate=1, connection_burst=1))
    for _ in range(3):
        assert addresses.check("", 0.0) is None
        addresses.add("")


def test_nothing_is_kept_of_an_address_that_is_gone():
    addresses = ConnectionLimiter(Settings(connections_per_ip=1, connection_rate=1, connection_burst=1))
    for number in range(1_000):
        address = f"10.0.{number >> 8}.{number & 255}"
        assert addresses.check(address, float(number)) is None
        addresses.add(address)
        addresses.discard(address)
    assert len(addresses) <= 2
