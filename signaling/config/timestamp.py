"""Times as text (ISO 8601, in UTC). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso_8601(seconds: float, *, milliseconds: bool = True) -> str:
    """Return ``seconds`` since 1970 as text, such as ``2024-01-01T12:00:00.000Z``; fractions are cut, not rounded."""
    return _with_milliseconds(int(seconds * 1000)) if milliseconds else f"{_whole_second(seconds // 1)}Z"


# Many log lines fall into the same millisecond, and more into the same second.
@lru_cache(1)
def _with_milliseconds(milliseconds: int) -> str:
    second, millisecond = divmod(milliseconds, 1000)
    return f"{_whole_second(second)}.{millisecond:03d}Z"


@lru_cache(1)
def _whole_second(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
