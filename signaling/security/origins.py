"""The pages that may connect: a browser names its page's origin (RFC 6454; RFC 6455, section 10.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

MAX_ORIGIN_CHARACTERS = 300
"""The longest origin. A host name has at most 253 characters (RFC 1035), and a comparison takes quadratic time."""

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Origins:
    """The allowed origins. The server's own origin is always among them."""

    def __init__(self, allowed: Iterable[str], *, allow_missing: bool) -> None:
        """Allow these origins. ``https://*.example.org`` stands for each subdomain, but not for example.org."""
        parts = [_parts(origin) for origin in allowed]
        self._exact = {origin for origin in parts if not origin[1].startswith("*.")}
        self._below = {origin for origin in parts if origin[1].startswith("*.")}
        self._allow_missing = allow_missing

    def allow(self, origin: str | None, host: str, *, always_check: bool = False) -> bool:
        """Return whether a page of ``origin`` may connect to the server at ``host`` (RFC 9110, section 7.2).

        Without allowed origins, every page may, unless ``always_check`` is set. Then only the own origin may.
        """
        if origin is None:
            return self._allow_missing
        if not self._exact and not self._below and not always_check:
            return True
        if len(origin) > MAX_ORIGIN_CHARACTERS:
            return False
        try:
            scheme, name, port = _parts(origin)
            # A proxy may have ended TLS, so the own origin counts with either scheme.
            own = _parts(f"{scheme}://{host}")
        except ValueError:
            return False
        # `null` has no host, and belongs to nobody.
        if not name:
            return False
        if (scheme in ("http", "https") and (scheme, name, port) == own) or (scheme, name, port) in self._exact:
            return True
        labels = name.split(".")
        return any((scheme, ".".join(("*", *labels[at:])), port) in self._below for at in range(1, len(labels)))


def _parts(origin: str) -> tuple[str, str, int | None]:
    found = urlsplit(origin)
    return found.scheme, found.hostname or "", found.port or _DEFAULT_PORTS.get(found.scheme)
