"""The control of an app over the calls and the users of all nodes."""

from __future__ import annotations

import msgspec

from ..process.threads import TurnLock
from ..protocol import errors
from ..protocol.messages import Pair
from ..rooms.events import Call, Listing, Waiting
from ..rooms.registry import Registry, Unavailable
from ..rooms.user_sessions import UserSessions
from .cluster import Cluster, SurveyRequest
from .reach import Reach

REASON_MAX_CHARACTERS = 200
"""Characters of the sentence for a user."""

MAX_BAR_SECONDS = 31_536_000.0
"""The longest bar of a user: a year."""

_encode = msgspec.json.encode
_decode_end = msgspec.json.Decoder(tuple[str, str, str]).decode
_decode_disconnect = msgspec.json.Decoder(tuple[str, str]).decode
_decode_count = msgspec.json.Decoder(int).decode


class Control:
    """The calls and the users of one app, at all nodes that share its rooms.

    Attributes:
        authorizes_joins: whether the authorizer of the app is asked at each join.
    """

    authorizes_joins = True

    def __init__(
        self, registry: Registry, sessions: UserSessions, cluster: Cluster | None, lock: TurnLock | None = None
    ) -> None:
        """Control the rooms and the sessions of one node, and those of the other nodes of its ``cluster``."""
        self._lock = lock or TurnLock()
        self._registry = registry
        self._directory = registry.directory
        self._sessions = sessions
        self._cluster = cluster
        if cluster is not None:
            cluster.handlers["end"] = self._on_end
            cluster.handlers["disconnect"] = self._on_disconnect
            cluster.handlers["connections"] = self._on_connections

    def calls(self, user: str | None = None) -> Listing[Call]:
        """Return the calls that go on, oldest first. It may wait.

        Args:
            user: if given, only calls of this user.
        """
        found = self._directory.calls()
        return Listing((call for call in found if user is None or user in call.users), partial=found.partial)

    def waiting(self, user: str | None = None, peer: str | None = None) -> Listing[Waiting]:
        """Return the users who wait for an absent peer, oldest first. It may wait.

        Args:
            user: if given, only waits of this user.
            peer: if given, only waits for this user.
        """
        found = self._directory.waits()
        return Listing(
            (wait for wait in found if user in (None, wait.user) and peer in (None, wait.peer)), partial=found.partial
        )

    def end(self, call_id: str, reason: str = "") -> Reach | None:
        """End a call: its connections get the error ``ended`` and close with 4004. It may wait.

        Args:
            call_id: the id of the call.
            reason: a sentence for the users.

        Returns:
            How many connections were closed; None if no call with this id goes on.

        Raises:
            ValueError: the reason is not one line, or too long.
            Unavailable: Redis cannot be reached.
        """
        _check_reason(reason)
        pair = self._directory.end_call(call_id)
        if pair is None:
            return None
        return self._everywhere("end", (*pair, reason), self._end_here(pair, reason))

    def disconnect(self, user: str, bar_seconds: float = 0, reason: str = "") -> Reach:
        """Close all connections of ``user`` with 4004. It may wait.

        Args:
            user: the id of the user.
            bar_seconds: seconds in which each join of the user is refused with ``unauthorized``.
            reason: a sentence for the user.

        Raises:
            ValueError: the seconds are negative or too many; the reason is not one line, or too long.
            Unavailable: Redis cannot be reached.
        """
        if not 0 <= bar_seconds <= MAX_BAR_SECONDS:
            raise ValueError(f"bar_seconds must be from 0 to {MAX_BAR_SECONDS:.0f}")
        _check_reason(reason)
        if bar_seconds:
            # First, so that a client that comes back at once is refused.
            self._directory.bar(user, bar_seconds)
        return self._everywhere("disconnect", (user, reason), self._disconnect_here(user, reason))

    def connections(self, user: str) -> Reach:
        """Return how many connections ``user`` has at all nodes, whether in a room or not. It may wait."""
        count = len(self._sessions.of(user))
        try:
            return self._everywhere("connections", user, count)
        except Unavailable:
            return Reach(count, [], partial=True)

    def _everywhere(self, topic: str, argument: object, count: int) -> Reach:
        cluster = self._cluster
        if cluster is None:
            return Reach(count, [])
        cluster.refresh()
        missing = []
        for info, answer in cluster.survey(topic, _decode_count, _encode(argument).decode()):
            if answer is None:
                missing.append(info.name)
            else:
                count += answer
        return Reach(count, missing)

    def _end_here(self, pair: Pair, reason: str) -> int:
        with self._lock:
            members = self._registry.members_of(pair)
            for member in members:
                member.refuse(errors.ended(reason))
        return len(members)

    def _disconnect_here(self, user: str, reason: str) -> int:
        with self._lock:
            sessions = self._sessions.of(user)
            for session in sessions:
                session.refuse(errors.ended(reason or "The app ended your connection"))
        return len(sessions)

    def _on_end(self, request: SurveyRequest) -> bytes:
        first, second, reason = _decode_end(request.argument)
        return _encode(self._end_here(Pair(first, second), reason))

    def _on_disconnect(self, request: SurveyRequest) -> bytes:
        return _encode(self._disconnect_here(*_decode_disconnect(request.argument)))

    def _on_connections(self, request: SurveyRequest) -> bytes:
        return _encode(len(self._sessions.of(msgspec.json.decode(request.argument, type=str))))


def is_reason(text: str) -> bool:
    """Return whether ``text`` may be a sentence for a user: one line, not too long, or empty."""
    # A lone surrogate is not printable either.
    return len(text) <= REASON_MAX_CHARACTERS and (text or "x").isprintable()


def _check_reason(reason: str) -> None:
    if not is_reason(reason):
        raise ValueError(f"reason must be one line of at most {REASON_MAX_CHARACTERS} characters")
