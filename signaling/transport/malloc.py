"""Return the memory of closed connections to the system."""

from __future__ import annotations

import ctypes
import sys

# Windows cannot load the program itself.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def trim() -> None:
    """Return freed memory to the system with glibc's ``malloc_trim``. Do nothing with other C libraries.

    Without it the allocator keeps its peak size for the life of the process.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)
