"""The description of a call for a page: as one node has it, or merged from the nodes of both users. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import msgspec

from .call import Call, CallState, Step

_PROGRESS = (CallState.OVER, CallState.WAITING, CallState.NEGOTIATING, CallState.SETTLED)


class CallRecord(msgspec.Struct, kw_only=True):
    """One call, with the names of its users as they may be shown.

    The fields without a description are those of :class:`signaling.telemetry.call.Call`.
    """

    number: int | str
    """Its number among all calls that are shown."""
    users: tuple[str, str]
    present: list[bool]
    state: CallState
    began: float
    ended: float | None
    met: bool
    answered_in: float | None
    settled_in: float | None
    steps: list[Step]
    skipped: int
    nodes: list[str] = []
    """The nodes that know the call, if nodes share the rooms."""

    @classmethod
    def of(cls, call: Call, name: Callable[[str], str], node: str = "") -> CallRecord:
        """Return the record of ``call``.

        Args:
            call: a call of this node.
            name: a function that returns the id of a user as it may be shown.
            node: the name of this node if nodes share the rooms.
        """
        return cls(
            number=f"{node}/{call.number}" if node else call.number,
            users=(name(call.pair.first), name(call.pair.second)),
            present=call.present,
            state=call.state,
            began=call.began,
            ended=call.ended,
            met=call.met,
            answered_in=call.answered_in,
            settled_in=call.settled_in,
            steps=call.steps,
            skipped=call.skipped,
            nodes=[node] if node else [],
        )

    def to_json(self, diagnosis: str) -> dict[str, Any]:
        """Return the record as the page reads it, with the sentences of ``diagnosis``."""
        content = {
            "number": self.number,
            "users": self.users,
            "present": self.present,
            "state": self.state,
            "began": self.began,
            "ended": self.ended,
            "answeredIn": self.answered_in,
            "settledIn": self.settled_in,
            "diagnosis": diagnosis,
            "steps": self.steps,
            "skipped": self.skipped,
        }
        return {**content, "nodes": self.nodes} if self.nodes else content


def merge(records: Iterable[CallRecord], limit: int) -> tuple[list[CallRecord], list[CallRecord]]:
    """Merge the records of each call, and return the open calls and those that ended, the newest first.

    Records of the same two users at the same time belong to the same call.

    Args:
        records: the records of all nodes.
        limit: how many calls of each kind are returned.
    """
    open_: list[list[CallRecord]] = []
    ended: list[list[CallRecord]] = []
    for parts in _group_by_call(records):
        (ended if all(part.ended for part in parts) else open_).append(parts)
    # First sort, then merge: to merge the steps takes long, and few calls are returned.
    open_.sort(key=lambda parts: parts[0].began, reverse=True)
    ended.sort(key=_end_of, reverse=True)
    return [_merge_parts(parts) for parts in open_[:limit]], [_merge_parts(parts) for parts in ended[:limit]]


def _group_by_call(records: Iterable[CallRecord]) -> Iterator[list[CallRecord]]:
    groups: dict[tuple[str, str], list[CallRecord]] = {}
    for record in sorted(records, key=attrgetter("began")):
        parts = groups.get(record.users)
        if parts and any(part.ended is None or part.ended > record.began for part in parts):
            parts.append(record)
            continue
        if parts:
            yield parts
        groups[record.users] = [record]
    yield from groups.values()


def _merge_parts(parts: list[CallRecord]) -> CallRecord:
    first, *others = parts
    if not others:
        return first
    steps = sorted((step for part in parts for step in part.steps), key=attrgetter("at"))
    open_ = [part for part in parts if part.ended is None]
    # The node where the later user joined measures the durations. It has the latest `ready`.
    leader = max(parts, key=lambda part: _last_ready(part.steps))
    answered_in = leader.answered_in if leader.answered_in is not None else _answered_in(steps)
    return CallRecord(
        number=first.number,
        users=first.users,
        present=[any(present) for present in zip(*(part.present for part in parts), strict=True)],
        state=max((part.state for part in open_ or parts), key=_PROGRESS.index),
        began=first.began,
        ended=None if open_ else _end_of(parts),
        met=any(part.met for part in parts),
        answered_in=answered_in,
        settled_in=leader.settled_in,
        steps=steps,
        skipped=sum(part.skipped for part in parts),
        nodes=list(dict.fromkeys(node for part in parts for node in part.nodes)),
    )


def _end_of(parts: list[CallRecord]) -> float:
    return max(part.ended or 0.0 for part in parts)


def _last_ready(steps: list[Step]) -> float:
    return max((step.at for step in steps if step.what == "ready"), default=0.0)


def _answered_in(steps: list[Step]) -> float | None:
    # If the later user makes the offer, the other node forwards the answer, and the leader does not see it.
    ready = _last_ready(steps)
    answer = next((step.at for step in steps if step.what == "answer" and step.at >= ready), None)
    return answer - ready if ready and answer is not None else None
