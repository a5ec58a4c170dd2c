"""The answer to a client that gets no WebSocket."""

from __future__ import annotations

from typing import NamedTuple


class Rejection(NamedTuple):
    """The reason why a client gets no WebSocket."""

    reason: str
    """One of :data:`signaling.telemetry.stats.REASONS`."""
    status: int
    """The HTTP status of the response."""
    words: str
    """The reason in a sentence."""
    retry_after: int = 0
    """Seconds after which the client may retry; 0 if a retry is useless."""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the response."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}
