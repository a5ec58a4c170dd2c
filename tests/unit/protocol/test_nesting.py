"""Levels of JSON, counted by the server and by a judge that builds all of it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol import nesting
from signaling.protocol.nesting import MAX_NESTING, check_nesting


def is_too_deep(text: str) -> bool:
    try:
        check_nesting(text)
    except RecursionError:
        return True
    return False


def levels(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, dict | list) + max(map(levels, inside), default=0)


STRINGS = st.sampled_from(["", "[", "]}", '"', "\\", '\\"', "[[[", 'a"{', "é", '""'])
TREES = st.recursive(
    STRINGS | st.integers(),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(STRINGS, items),
    max_leaves=30,
)


@given(tree=TREES, below=st.integers(nesting._PASSES + 1, 12), times=st.integers(1, 6), ascii_=st.booleans())
def test_levels_are_counted_as_they_are(tree: Any, below: int, times: int, ascii_: bool):
    for _ in range(below):
        tree = [tree] * times if len(json.dumps(tree)) < 5_000 else [tree]
    deep = levels(tree)
    with pytest.MonkeyPatch.context() as patch:
        for limit in (deep - 1, deep, deep + 1):
            patch.setattr(nesting, "MAX_NESTING", limit)
            assert is_too_deep(json.dumps(tree, ensure_ascii=ascii_)) == (limit < deep)


@pytest.mark.parametrize(
    ("beside", "deeper"),
    [("", 0), ("[],", 1), ("[[[[[[[[[]]]]]]]]],", 9), (r'"[\\\"{",', 0), ('"[","]",', 0), ('{"[":"]"},', 1)],
)
@pytest.mark.parametrize("depth", [1, 400, 490, 491, 492, 499, 500, 501, 600, 5_000])
def test_what_is_beside_the_deepest_level_counts_as_deep_as_it_is(depth: int, beside: str, deeper: int):
    text = "[" * depth + 200 * beside + "0" + "]" * depth
    assert is_too_deep(text) == (depth + deeper > MAX_NESTING)


def test_the_work_is_done_by_few_calls():
    """In calls of Python and of C, for 64 KiB: the most is one for each 16 bytes."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for unit in ("[],", '{"a":"b"},', "[" * 16 + "]" * 16 + ",", '"[",'):
        text = "[" * 480 + unit * (60_000 // len(unit)) + "0" + "]" * 480
        before, calls = sys.getprofile(), 0
        sys.setprofile(count)
        try:
            assert not is_too_deep(text)
        finally:
            sys.setprofile(before)
        assert calls < len(text) / 16
