"""The state of a node that other nodes receive with each heartbeat."""

from __future__ import annotations

from typing import Any

import msgspec


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one node."""

    host: str
    """The name of its host."""
    pid: int
    """The id of its process."""
    version: str
    release: str = ""
    """The value of ``SIGNALING_RELEASE``."""
    settings: str = ""
    """The digest of its environment."""
    started: float
    """Seconds since 1970."""
    draining: bool
    connections: int
    """Open WebSockets."""
    rooms: int
    """The rooms that count at this node. The sum over all nodes is the number of rooms."""
    metrics: bool = False
    """Whether it serves the metrics port of its host."""

    @property
    def name(self) -> str:
        """Return its name in logs, metrics and pages, such as ``sig1:4711``."""
        return f"{self.host}:{self.pid}"

    @property
    def deployed(self) -> dict[str, str]:
        """Return what runs there: the version, the release and the digest of its settings."""
        return {"version": self.version, "release": self.release, "settings": self.settings}

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the state as everybody may see it, at ``now`` in seconds since 1970."""
        return {
            "node": self.name,
            "uptime": round(max(0.0, now - self.started), 3),
            "draining": self.draining,
            "connections": self.connections,
            "rooms": self.rooms,
        }
