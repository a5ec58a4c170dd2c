"""A call in Chromium through each proxy, which the browser speaks HTTP/2 with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.address import Address
from tests.browser.conftest import alice, bob, launching, names, new_caller, new_profile  # noqa: F401 - fixtures
from tests.browser.profiles import Profiles
from tests.driver import Server
from tests.proxies.proxy import HAProxy, Nginx, Proxy


class NginxHTTP2(Nginx):
    """nginx with what our configuration leaves off."""

    def surroundings(self) -> dict[str, str]:
        return {old: new.replace(" ssl;", " ssl http2;") for old, new in super().surroundings().items()}


@pytest.fixture(params=[NginxHTTP2, HAProxy], ids=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> type[Proxy]:
    return request.param


@pytest.fixture
def service(port: int) -> Iterator[Server]:
    """Our server where no page but the own one may connect: the browser says whose it is."""
    with Server(SIGNALING_BIND="127.0.0.1", PORT=port, SIGNALING_ALLOWED_ORIGINS="https://app.example.org") as running:
        yield running


@pytest.fixture
def server(proxy: Proxy) -> Address:
    """What the callers take for the server."""
    return proxy.https


@pytest.fixture
def profiles(certificate: Path) -> Iterator[Profiles]:
    with launching() as launch:
        yield Profiles(launch, certificate)


def test_a_call_in_a_browser(alice, bob, names):  # noqa: F811 - fixtures
    me, peer = names
    alice.open(me, peer).reads(f"Waiting for {peer}")
    bob.open(peer, me)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)
    assert alice.page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
