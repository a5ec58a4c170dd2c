"""Where a client finds a server that is none of `tests.driver`: in a container, or behind a proxy."""

from __future__ import annotations

import json
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.driver import Client
from tests.waiting import TIMEOUT, wait_until


@dataclass(frozen=True)
class Address:
    """A port of localhost, with TLS when there is a certificate to trust."""

    port: int
    certificate: Path | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}"

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.certificate)) if self.certificate else None

    def open(self, path: str = "/", **headers: str) -> Any:
        """The answer to a GET; any that is none of success is raised."""
        request = urllib.request.Request(self.url + path, headers=headers)
        return urllib.request.urlopen(request, timeout=TIMEOUT, context=self.tls)

    def health(self) -> dict[str, Any]:
        with self.open("/healthz") as response:
            return dict(json.load(response))

    def wait_until_trusted(self) -> None:
        """Wait until the certificate that is served is the one to trust."""

        def trusts() -> bool:
            with Client(self):
                return True

        wait_until(trusts)
