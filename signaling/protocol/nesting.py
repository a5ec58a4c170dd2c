"""How deep the JSON of a message is nested. Pure.

Every parser has a bound. Where that bound is Python's stack, it depends on how much of the stack is in use:
what one parser took, the next one failed with. The bound here is always the same, and every parser can read that much.
"""

from __future__ import annotations

from itertools import accumulate

MAX_NESTING = 500
"""Levels of arrays and objects in a message. The message itself is the first."""

# A bracket as a signed byte: 1 opens a level, -1 closes one. Quotes stay, all else goes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_STEPS = bytes(set(range(256)) - set(b'[{]}"'))
_INNERMOST = b"\x01\xff"
_PASSES = 4
_BLOCK = 64


def check_nesting(json: str) -> None:
    """Check that ``json``, which is valid, has at most :data:`MAX_NESTING` levels.

    Few calls deal with many bytes: 64 KiB of brackets take about a millisecond.

    Raises:
        RecursionError: as any parser does that has not enough of the stack.
    """
    if "\\" in json:
        json = json.replace("\\\\", "").replace('\\"', "")
    # Most strings are empty now. What is left of the others is every second piece between quotes.
    steps = json.encode().translate(_STEPS, _NO_STEPS).replace(b'""', b"")
    if b'"' in steps:
        steps = b"".join(steps.split(b'"')[::2])
    # Most JSON of many brackets is flat. To take out all innermost pairs takes one level off.
    for levels in range(MAX_NESTING, MAX_NESTING - _PASSES, -1):
        if len(steps) <= 2 * levels:
            return
        steps = steps.replace(_INNERMOST, b"")
    depth = _PASSES
    for at in range(0, len(steps), _BLOCK):
        block = steps[at : at + _BLOCK]
        opened = block.count(1)
        if depth + opened > MAX_NESTING and depth + max(accumulate(memoryview(block).cast("b"))) > MAX_NESTING:
            raise RecursionError(f"nested more than {MAX_NESTING} levels deep")
        depth += 2 * opened - len(block)
