from __future__ import annotations

import pytest

from signaling.config.timestamp import iso_8601


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_704_067_200.0, "2024-01-01T00:00:00.000Z"),
        (1_704_067_200.25, "2024-01-01T00:00:00.250Z"),
        (1_704_067_200.999_9, "2024-01-01T00:00:00.999Z"),
        (1_704_067_201, "2024-01-01T00:00:01.000Z"),
    ],
)
def test_a_time_is_iso_8601_in_utc(seconds: float, text: str):
    assert iso_8601(seconds) == text


def test_whole_seconds_have_no_fraction():
    assert iso_8601(1_704_067_200.5, milliseconds=False) == "2024-01-01T00:00:00Z"
