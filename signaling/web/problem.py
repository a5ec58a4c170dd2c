"""Errors of an HTTP API as JSON (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from flask import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the standard calls it so
    """A request that gets an error."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep the HTTP status, a sentence for the developer of the client, and headers of the response."""
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the response."""
        content = {"type": "about:blank", "title": self.status.phrase, "status": self.status, "detail": self.detail}
        return Response(msgspec.json.encode(content), self.status, self.headers, mimetype=MEDIA_TYPE)
