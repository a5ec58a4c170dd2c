"""How far a command of an app went."""

from __future__ import annotations

import msgspec


class Reach(msgspec.Struct, frozen=True):
    """How far something that concerns all nodes went."""

    count: int
    """The connections that it reached."""
    missing: list[str]
    """The nodes that did not answer, by name. Their clients may not have heard of it."""
    partial: bool = False
    """Whether only this node is counted, since Redis cannot be reached."""
