from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.coturn import Coturn
from tests.driver import Server
from tests.waiting import TEST_TIMEOUT


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give pytest-timeout its limit, which grows with the others; ``--timeout`` overrides it."""
    if config.option.timeout is None:
        config.option.timeout = TEST_TIMEOUT


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its key beside it."""
    return make_certificate(tmp_path_factory.mktemp("certificate") / "localhost.crt")


@pytest.fixture(scope="session")
def server(certificate: Path) -> Iterator[Server]:
    """The server with its default settings, over TLS, shared by all the tests that leave it as they found it."""
    with Server(certificate) as running:
        yield running


@pytest.fixture(scope="session")
def coturn(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A TURN server."""
    with Coturn(tmp_path_factory.mktemp("coturn"), certificate) as running:
        yield running


@pytest.fixture(scope="session")
def relayed(certificate: Path, coturn: Coturn) -> Iterator[Server]:
    """A server that tells its clients of the TURN server."""
    with Server(certificate, **coturn.settings) as running:
        yield running
