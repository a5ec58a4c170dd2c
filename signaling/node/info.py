"""What a worker tells the others of itself, at every beat."""

from __future__ import annotations

from typing import Any

import msgspec


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one worker."""

    host: str
    pid: int
    version: str
    started: float
    """Seconds since 1970."""
    draining: bool
    connections: int
    rooms: int
    """Those that count there: over all nodes it is the number of rooms."""
    metrics: bool = False
    """Whether it has the port for the metrics of its host."""

    @property
    def name(self) -> str:
        """Return what it is called wherever it is shown."""
        return f"{self.host}:{self.pid}"

    def to_json(self, now: float) -> dict[str, Any]:
        """Return it as the pages have it, at ``now`` in seconds since 1970."""
        return {
            "node": self.name,
            "version": self.version,
            "uptime": round(max(0.0, now - self.started), 3),
            "draining": self.draining,
            "connections": self.connections,
            "rooms": self.rooms,
        }
