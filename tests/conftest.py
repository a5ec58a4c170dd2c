from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.driver import Server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its key beside it."""
    return make_certificate(tmp_path_factory.mktemp("certificate") / "localhost.crt")


@pytest.fixture(scope="session")
def server(certificate: Path) -> Iterator[Server]:
    """The server with its default settings, over TLS, shared by all the tests that leave it as they found it."""
    with Server(certificate) as running:
        yield running
