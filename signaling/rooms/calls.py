"""The calls and the waits of the rooms of one process. Pure.

``redis/lua/call.lua`` does the same for the rooms in Redis. One test drives both.

A room has one entry at most. It begins as a wait, when a user joins and the peer is absent, and becomes a call when
the peer joins. A call of which a user left stays for the grace. It ends if that user does not return, at once if the
second user leaves as well and one of the two left on purpose.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterable, Iterator

import msgspec

from ..protocol.messages import Pair, User
from .events import Call, Event, EventType, Waiting


class CallEntry(msgspec.Struct, gc=False):
    """A wait, or a call with its present state. Times without a unit are seconds of the monotonic clock."""

    id: str
    json: tuple[bytes, bytes]
    began_at: float
    """The start of the wait or of the call, in seconds since 1970."""
    began: float
    waiting: str = ""
    """The user who waits; empty once it is a call."""
    parted: float | None = None
    """When a user left the call, or None while both are there."""
    hung_up: bool = False
    """Whether a user left on purpose since then."""
    alone: str = ""
    """The user who is alone since then, or who waits."""
    came: bool = True
    """Whether that user joined while alone, and did not stay behind. An app is told of those only."""
    sequence: int = 0
    answered: float | None = None
    """When the call was answered, or None."""


class Calls:
    """The entries of the rooms. Methods return the events of a change, in order."""

    def __init__(self, grace: float) -> None:
        """Start without entries; a call continues if a user returns within ``grace`` seconds."""
        self.grace = grace
        self._entries: dict[Pair, CallEntry] = {}
        # An id is unique, and need not be secret. A counter costs less than randomness for each.
        self._ids = map((secrets.token_hex(8) + "{:016x}").format, itertools.count(1))
        # Pairs whose call ends soon. All have the same grace, so the order is that of the ends.
        self._parted: dict[Pair, None] = {}

    def joined(self, pair: Pair, user: User, peer: User, *, alone: bool) -> list[Event]:
        """Note that ``user`` joined the room of ``pair``, where they are ``alone`` or meet ``peer``."""
        events: list[Event] = []
        now = time.monotonic()
        entry = self._entries.get(pair)
        if entry is not None and self._is_over(entry, now):
            events.append(self._end(pair, entry))
            entry = None
        if alone:
            if entry is None:
                events += self._wait(pair, user, peer, now)
            elif not entry.waiting and entry.alone != user.key:
                entry.alone, entry.came = user.key, True
            return events
        if entry is None:
            entry = self._add(pair, user, peer, now)
        elif entry.waiting:
            events += self._met(pair, entry, now)
        else:
            entry.parted, entry.hung_up, entry.alone = None, False, ""
            self._parted.pop(pair, None)
            return events
        events.append(_event(EventType.CALL_STARTED, pair, entry, entry.began_at, call=_call(pair, entry)))
        return events

    def answered(self, pair: Pair) -> None:
        """Note that an answer was forwarded; the first one counts."""
        entry = self._entries.get(pair)
        if entry is not None and not entry.waiting and entry.answered is None:
            entry.answered = time.monotonic()

    def left(self, pair: Pair, user: str, reason: str, *, alone: bool) -> list[Event]:
        """Note that ``user`` left the room, where the peer stays if ``alone``, for the ``reason`` left or lost."""
        entry = self._entries.get(pair)
        if entry is None:
            return []
        now = time.monotonic()
        if entry.waiting:
            del self._entries[pair]
            at = entry.began_at + now - entry.began
            if not entry.came:
                return []
            return [_event(EventType.WAITING_ENDED, pair, entry, at, user=user, outcome=reason)]
        if entry.parted is None:
            entry.parted = now
            self._parted[pair] = None
            entry.alone, entry.came = _peer(pair, user) if alone else "", False
        elif entry.alone == user:
            entry.alone = ""
        entry.hung_up |= reason == "left"
        if self._is_over(entry, now) or (entry.hung_up and not alone):
            return self._end_and_wait(pair, entry, now)
        return []

    def expire(self) -> list[Event]:
        """End the calls whose grace is over. A user who is there waits from now on."""
        events: list[Event] = []
        now = time.monotonic()
        for pair in list(self._parted):
            entry = self._entries[pair]
            if not self._is_over(entry, now):
                break
            events += self._end_and_wait(pair, entry, now)
        return events

    def end(self, pair: Pair, reason: str) -> list[Event]:
        """End the call of ``pair`` now, or its wait as lost."""
        entry = self._entries.get(pair)
        if entry is None:
            return []
        if entry.waiting:
            return self.left(pair, entry.waiting, "lost", alone=False)
        return [self._end(pair, entry, reason)]

    def end_all(self, reason: str) -> list[Event]:
        """End all calls now, and all waits as lost."""
        return [event for pair in list(self._entries) for event in self.end(pair, reason)]

    def find(self, call_id: str) -> Pair | None:
        """Return the pair of the call that goes on with this id, or None."""
        return next((pair for pair, entry in self._entries.items() if entry.id == call_id and not entry.waiting), None)

    def calls(self) -> Iterator[Call]:
        """Yield the calls that go on."""
        return (_call(pair, entry) for pair, entry in self._entries.items() if not entry.waiting)

    def waits(self) -> Iterator[Waiting]:
        """Yield the users who wait."""
        for pair, entry in self._entries.items():
            if entry.waiting:
                yield Waiting(user=entry.waiting, peer=_peer(pair, entry.waiting), since=entry.began_at)

    def _add(self, pair: Pair, user: User, peer: User, now: float) -> CallEntry:
        json = _in_order(pair, (user, peer))
        entry = self._entries[pair] = CallEntry(next(self._ids), json, time.time(), now)
        return entry

    def _wait(self, pair: Pair, user: User, peer: User, now: float, *, came: bool = True) -> list[Event]:
        entry = self._add(pair, user, peer, now)
        entry.waiting = entry.alone = user.key
        entry.came = came
        return [_event(EventType.WAITING, pair, entry, entry.began_at, user=user.key)] if came else []

    def _met(self, pair: Pair, entry: CallEntry, now: float) -> list[Event]:
        at, user = time.time(), entry.waiting
        entry.waiting, entry.alone, entry.began_at, entry.began = "", "", at, now
        return [_event(EventType.WAITING_ENDED, pair, entry, at, user=user, outcome="met")] if entry.came else []

    def _is_over(self, entry: CallEntry, now: float) -> bool:
        return entry.parted is not None and now - entry.parted >= self.grace

    def _end_and_wait(self, pair: Pair, entry: CallEntry, now: float) -> list[Event]:
        """End a call. A user who is there waits from now on."""
        events = [self._end(pair, entry)]
        if user := entry.alone:
            one, other = (User(key, entry.json[pair.index(key)]) for key in (user, _peer(pair, user)))
            events += self._wait(pair, one, other, now, came=entry.came)
        return events

    def _end(self, pair: Pair, entry: CallEntry, reason: str = "") -> Event:
        del self._entries[pair]
        self._parted.pop(pair, None)
        parted = time.monotonic() if entry.parted is None else entry.parted
        at = entry.began_at + parted - entry.began
        call = _call(pair, entry, ended_at=at, reason=reason or ("left" if entry.hung_up else "lost"))
        return _event(EventType.CALL_ENDED, pair, entry, at, call=call)


def _peer(pair: Pair, user: str) -> str:
    return pair.second if user == pair.first else pair.first


def _call(pair: Pair, entry: CallEntry, ended_at: float | None = None, reason: str | None = None) -> Call:
    return Call(
        id=entry.id, users=(pair.first, pair.second), started_at=entry.began_at, ended_at=ended_at, reason=reason
    )


def _event(
    type_: EventType,
    pair: Pair,
    entry: CallEntry,
    at: float,
    *,
    user: str = "",
    outcome: str = "",
    call: Call | None = None,
) -> Event:
    entry.sequence += 1
    return Event(
        type=type_,
        call_id=entry.id,
        sequence=entry.sequence,
        at=at,
        pair=pair,
        json=entry.json,
        user=user,
        outcome=outcome,
        call=call,
        began=entry.began_at,
        answered=None if entry.answered is None else entry.began_at + entry.answered - entry.began,
    )


def _in_order(pair: Pair, users: Iterable[User]) -> tuple[bytes, bytes]:
    by_key = {user.key: user.json for user in users}
    return by_key[pair.first], by_key[pair.second]
