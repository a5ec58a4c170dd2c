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


def is_idle(thing: greenlet) -> bool:
    """Tell if it has no work and waits for more. A few such stay, and belong to no connection."""
    return thing.gr_frame is not None and thing.gr_frame.f_code is GreenletPool._serve.__code__


@app.get("/soak/objects")
def objects() -> dict[str, int]:
    """Count after all that is garbage has gone: what memory there is then is held by somebody."""
    gc.collect()
    malloc.trim()
    blocks = sys.getallocatedblocks()
    things = gc.get_objects()
    kinds = Counter(map(type, things))
    return {
        "greenlets": sum(isinstance(thing, greenlet) and not is_idle(thing) for thing in things),
        "connections": kinds[Connection],
        "sessions": kinds[Session],
        "blocks": blocks,
    }
