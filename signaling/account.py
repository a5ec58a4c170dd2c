"""What is told of a call: by one worker, or by those together that have its two ends. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

from .call import Call, State, Step

_HOW_FAR = (State.OVER, State.WAITING, State.NEGOTIATING, State.SETTLED)


class Account(msgspec.Struct, kw_only=True):
    """What is told of one call, with the names of its users as they may be shown.

    The fields are those of :class:`signaling.call.Call`.
    """

    number: int | str
    """Its own among all that are shown."""
    users: tuple[str, str]
    present: list[bool]
    state: State
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
    def of(cls, call: Call, name: Callable[[str], str]) -> Account:
        """Return what this worker tells of ``call``; ``name`` returns a user's id as it may be shown."""
        return cls(
            number=call.number,
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
        )

    def at(self, node: str) -> Account:
        """Return it as told by ``node``, among those of others."""
        return msgspec.structs.replace(self, number=f"{node}/{self.number}", nodes=[node])

    def shown(self, diagnosis: str) -> dict[str, Any]:
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


def unite(accounts: Iterable[Account]) -> list[Account]:
    """Return one account of each call: what several tell of the same two users at the same time is the same call."""
    merged: list[Account] = []
    parts: dict[tuple[str, str], list[Account]] = {}
    for account in sorted(accounts, key=attrgetter("began")):
        before = parts.get(account.users, [])
        if any(part.ended is None or part.ended > account.began for part in before):
            before.append(account)
            continue
        if before:
            merged.append(_whole(before))
        parts[account.users] = [account]
    return [*merged, *map(_whole, parts.values())]


def _whole(parts: list[Account]) -> Account:
    first, *others = parts
    if not others:
        return first
    steps = sorted((step for part in parts for step in part.steps), key=attrgetter("at"))
    open_ = [part for part in parts if part.ended is None]
    # The times are taken by the worker that the latest of the two came to, which says so.
    leader = max(parts, key=lambda part: _begun(part.steps))
    answered_in = leader.answered_in if leader.answered_in is not None else _answered_in(steps)
    return Account(
        number=first.number,
        users=first.users,
        present=[any(present) for present in zip(*(part.present for part in parts), strict=True)],
        state=max((part.state for part in open_ or parts), key=_HOW_FAR.index),
        began=first.began,
        ended=None if open_ else max(part.ended or 0.0 for part in parts),
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
