"""What is told of a call: by one worker, or by those together that have its two ends. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import msgspec

from .call import Call, CallState, Step

_HOW_FAR = (CallState.OVER, CallState.WAITING, CallState.NEGOTIATING, CallState.SETTLED)


class CallRecord(msgspec.Struct, kw_only=True):
    """What is told of one call, with the names of its users as they may be shown.

    The fields are those of :class:`signaling.telemetry.call.Call`.
    """

    number: int | str
    """Its own among all that are shown."""
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
    """The workers that tell it, where there may be several."""

    @classmethod
    def of(cls, call: Call, name: Callable[[str], str], node: str = "") -> CallRecord:
        """Return what this worker, ``node`` where there are others, tells of ``call``.

        ``name`` returns a user's id as it may be shown.
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
        """Return it as the page has it."""
        told = {
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
        return {**told, "nodes": self.nodes} if self.nodes else told


def merge(records: Iterable[CallRecord], most: int) -> tuple[list[CallRecord], list[CallRecord]]:
    """Return one account of each call: of those that go on, and of those that are over, the ``most`` newest each.

    What several tell of the same two users at the same time is the same call.
    """
    open_: list[list[CallRecord]] = []
    over: list[list[CallRecord]] = []
    for parts in _groups(records):
        (over if all(part.ended for part in parts) else open_).append(parts)
    # Before what takes long, which is the timelines.
    open_.sort(key=lambda parts: parts[0].began, reverse=True)
    over.sort(key=_end, reverse=True)
    return [_whole(parts) for parts in open_[:most]], [_whole(parts) for parts in over[:most]]


def _groups(records: Iterable[CallRecord]) -> Iterator[list[CallRecord]]:
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


def _end(parts: list[CallRecord]) -> float:
    return max(part.ended or 0.0 for part in parts)


def _whole(parts: list[CallRecord]) -> CallRecord:
    first, *others = parts
    if not others:
        return first
    steps = sorted((step for part in parts for step in part.steps), key=attrgetter("at"))
    open_ = [part for part in parts if part.ended is None]
    # The times are taken by the worker that the latest of the two came to, which says so.
    leader = max(parts, key=lambda part: _begun(part.steps))
    answered_in = leader.answered_in if leader.answered_in is not None else _answered_in(steps)
    return CallRecord(
        number=first.number,
        users=first.users,
        present=[any(present) for present in zip(*(part.present for part in parts), strict=True)],
        state=max((part.state for part in open_ or parts), key=_HOW_FAR.index),
        began=first.began,
        ended=None if open_ else _end(parts),
        met=any(part.met for part in parts),
        answered_in=answered_in,
        settled_in=leader.settled_in,
        steps=steps,
        skipped=sum(part.skipped for part in parts),
        nodes=list(dict.fromkeys(node for part in parts for node in part.nodes)),
    )


def _begun(steps: list[Step]) -> float:
    return max((step.at for step in steps if step.what == "ready"), default=0.0)


def _answered_in(steps: list[Step]) -> float | None:
    # An answer that the first of the two sent, where the latest made the offer, passed another worker than the leader.
    begun = _begun(steps)
    answer = next((step.at for step in steps if step.what == "answer" and step.at >= begun), None)
    return answer - begun if begun and answer is not None else None
