"""The path of a request as its client wrote it, before anything was decoded."""

from __future__ import annotations

from flask import request


def written_path() -> str:
    """Return the path of the current request as written, without the query; empty if the server does not give it."""
    written = str(request.environ.get("RAW_URI", "")).partition("?")[0]
    # A proxy may send the whole URL (RFC 9112, section 3.2.2).
    if "://" in written:
        written = "/" + written.partition("://")[2].partition("/")[2]
    return written
