"""The service with one route more, which counts what the worker has in memory."""

from __future__ import annotations

import gc
import sys
from collections import Counter

from greenlet import greenlet

from signaling import create_app
from signaling.rooms.session import Session
from signaling.transport import malloc
from signaling.transport.connection import Connection
from signaling.transport.greenlet_pool import GreenletPool

app = create_app()


@app.get("/soak/objects")
def objects() -> dict[str, int]:
    """Count after all that is garbage has gone: what memory there is then is held by somebody."""
    gc.collect()
    malloc.trim()
    blocks = sys.getallocatedblocks()
    things = gc.get_objects()
    kinds = Counter(map(type, things))
    idle = sum(len(thing.idle) for thing in things if isinstance(thing, GreenletPool))
    return {
        # A few that have no work stay and wait for more, but they belong to no connection.
        "greenlets": sum(count for kind, count in kinds.items() if issubclass(kind, greenlet)) - idle,
        "connections": kinds[Connection],
        "sessions": kinds[Session],
        "blocks": blocks,
    }
