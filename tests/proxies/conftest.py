"""A proxy with the certificate, and behind it our server, plain on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.driver import Server
from tests.proxies.proxy import HAProxy, Nginx, Proxy, Upstream, free_port

StartProxy = Callable[..., Proxy]


@pytest.fixture(params=[Nginx, HAProxy], ids=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> type[Proxy]:
    return request.param


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of the test's own, which it may renew."""
    return make_certificate(tmp_path / "localhost.crt")


@pytest.fixture
def start_proxy(tmp_path: Path, certificate: Path) -> Iterator[StartProxy]:
    """Start a proxy that ends with the test."""
    with ExitStack() as running:

        def start(kind: type[Proxy], upstream: Upstream, changes: Mapping[str, str] | None = None) -> Proxy:
            return running.enter_context(kind(tmp_path, certificate, upstream, changes))

        yield start


@pytest.fixture
def port() -> int:
    """A port for our server, which can start there anew."""
    return free_port()


@pytest.fixture
def service(port: int) -> Iterator[Server]:
    """Our server as it is behind a proxy: on loopback alone, without a certificate."""
    with Server(SIGNALING_BIND="127.0.0.1", PORT=port) as running:
        yield running


@pytest.fixture
def proxy(kind: type[Proxy], service: Server, start_proxy: StartProxy) -> Proxy:
    """Each of the proxies, with our server behind it."""
    return start_proxy(kind, service.port)
