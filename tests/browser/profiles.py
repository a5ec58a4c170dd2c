"""Browser profiles in which nothing has happened yet, most of them used ones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, Page

from tests.waiting import TIMEOUT

# Whatever a page asks for is allowed, and a screen is chosen for it.
ALLOW = "--use-fake-ui-for-media-stream"
# Half as much to paint as by default, and still the layout of a desktop.
WINDOW: Any = {"width": 896, "height": 504}
# The page keeps its connections to itself, so they are noted as they are made.
NOTE_CONNECTIONS = """
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.connections.push(this); }
    };
"""


class Profiles:
    """The profiles of those who trust a certificate.

    The first window of a profile is as much work for Chromium as half a call is. So one stays open in each, and the
    profile is good as new once what was stored there is forgotten.
    """

    def __init__(self, launch: Callable[..., Browser], certificate: Path) -> None:
        self._launch = launch
        self._trust = f"--ignore-certificate-errors-spki-list={_spki_hash(certificate)}"
        self._spare: dict[str, list[BrowserContext]] = {}
        self._pages: dict[BrowserContext, list[Page]] = {}
        self._kinds: dict[BrowserContext, str] = {}

    def take(self, **options: Any) -> BrowserContext:
        """Return one in which whatever a page asks for is allowed."""
        kind = str(sorted(options.items()))
        if spare := self._spare.get(kind):
            return spare.pop()
        context = self.make(**options)
        context.new_page()
        pages = self._pages[context] = []
        context.on("page", lambda page: pages.append(page))
        self._kinds[context] = kind
        return context

    def trim(self, context: BrowserContext) -> None:
        """Close what is open in it, and forget what was stored."""
        window = context.pages[0]
        forget = context.new_cdp_session(window).send
        for page in self._pages[context]:
            forget("Storage.clearDataForOrigin", {"origin": page.url, "storageTypes": "all"})
            page.close()
        self._pages[context].clear()
        self._spare.setdefault(self._kinds[context], []).append(context)

    def make(self, allowed: list[str] | None = None, **options: Any) -> BrowserContext:
        """Return a new one; with `allowed`, the user grants these permissions and refuses all others."""
        browser = self._launch(self._trust, *([ALLOW] if allowed is None else []))
        context = browser.new_context(**{"viewport": WINDOW} | options)
        context.set_default_timeout(1_000 * TIMEOUT)
        context.add_init_script(NOTE_CONNECTIONS)
        if allowed:
            context.grant_permissions(allowed)
        return context


def _spki_hash(certificate: Path) -> str:
    """What Chromium knows a certificate it shall trust by: the hash of its public key."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
