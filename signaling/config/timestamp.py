"""Times as text (ISO 8601, in UTC). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso_8601(seconds: float, *, milliseconds: bool = True) -> str:
    """Return ``seconds`` since 1970 as text, such as ``2024-01-01T12:00:00.000Z``; fractions are cut, not rounded."""
    whole = seconds // 1
    text = _whole_second(whole)
    return f"{text}.{int((seconds - whole) * 1000):03d}Z" if milliseconds else f"{text}Z"


@lru_cache(1)
def _whole_second(seconds: float) -> str:
    # Many log lines fall into the same second.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
