"""The memory of many connections that are gone, given back to the system."""

from __future__ import annotations

import ctypes

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def trim() -> None:
    """Return freed memory to the system (glibc's ``malloc_trim``; nothing happens with other C libraries).

    The allocator keeps what it was given once, for all the years that the process lives.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)
