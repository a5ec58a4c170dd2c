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

app = create_app()


@app.get("/soak/objects")
def objects() -> dict[str, int]:
    """Count after all that is garbage has gone: what memory there is then is held by somebody."""
    gc.collect()
    malloc.trim()
    blocks = sys.getallocatedblocks()
    kinds = Counter(map(type, gc.get_objects()))
    return {
        "greenlets": sum(count for kind, count in kinds.items() if issubclass(kind, greenlet)),
        "connections": kinds[Connection],
        "sessions": kinds[Session],
        "blocks": blocks,
    }
