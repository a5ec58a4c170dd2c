"""The rules that hold whatever breaks.

A run has rounds. In each, users come, talk, leave, return, replace themselves and drop, while something breaks. Then
all stand still, whatever was broken works again, and users who want to be in a room come back. No clock decides: a
state must come within `TIMEOUT`, which is far beyond an honest run.

At any time:

- order: of one speaker, a connection hears the numbers in order and none twice, and nothing of an old connection of the
  speaker after something of one that joined later.
- sender: `from` names the user whose connection sent the message, and the listener is its peer. Nobody else hears it.
- room: a room has its own two users, each once. `created` and `bye` come with one user, `joined` and `ready` with two.
- bye: a `bye` names the connection that the listener was last told is its peer. So there is one for each departure, and
  none for a connection that was replaced.
- end: a connection ends because its user ended it, a newer one replaced it, its worker ended, or a join was refused
  as `unavailable` while something was broken. A `replaced` needs another connection that joined and was not replaced
  itself.
- error: a well-behaved user is told no other errors than `peer-absent`, `unavailable`, `not-in-room`, `rate-limited`
  and `replaced`; `unavailable` only while something was broken.

When all stand still:

- present: each user who wants to be in a room is, with one connection; each other connection ended.
- peer: each takes for its peer the connection that is there, and nobody if nobody is. So a `bye` for somebody who
  stayed is followed by a `ready`, and every departure is told.
- talk: each two who are together hear a message of each other.
- loss: each message was heard by the peer's user; or its speaker got an error, one for each message; or the
  speaker's connection ended; or its peer's connection left or ended; or, after it was sent, an end of the pair was told
  `ready`, or joined, so that negotiation restarted. Otherwise it was lost in silence.
- false bye: a `bye` for a connection that stayed is only possible in a round in which Redis or a worker broke, and a
  `ready` comes behind it.
- registry: the health of each host counts these connections and these rooms, and Redis has exactly these.

When all have left, Redis has no key but that of the workers. Descriptors and memory of each worker are about what they
were at first. The log has no traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.record import Word

if TYPE_CHECKING:
    from tests.chaos.connection import Connection
    from tests.chaos.user import User

MAX_MORE_DESCRIPTORS = 10
"""How many more a worker may have in the end: connections to Redis may be one more for a moment."""

MAX_MORE_KIB = 48 * 1_024
"""How much more memory a worker may have in the end: what its allocator keeps."""

EXPECTED_ERRORS = {"peer-absent", "unavailable", "not-in-room", "rate-limited", "replaced"}


def lost_words(connections: list[Connection]) -> list[Word]:
    """Return the messages of a pair that were lost in silence.

    Args:
        connections: all that the two users had in this round; they stand still, and talked since.
    """
    by_id = {connection.id: connection for connection in connections if connection.id}
    restarted = max((connection.restarted for connection in connections), default=-1.0)
    lost = []
    for speaker in connections:
        if speaker.ended is not None or speaker.replaced:
            continue
        unheard = [
            word
            for word in speaker.words
            if not (word.heard or word.sent <= restarted or _left(by_id.get(word.peer or "")))
        ]
        for error in speaker.errors:
            # Each error excuses one message that was sent before it.
            if excused := next((word for word in reversed(unheard) if word.sent <= error), None):
                unheard.remove(excused)
        lost += unheard
    return lost


def _left(connection: Connection | None) -> bool:
    return connection is not None and (connection.ended is not None or connection.replaced or connection.left >= 0)


def false_byes(connections: list[Connection]) -> list[str]:
    """Return whose bye was told though the connection stayed."""
    by_id = {connection.id: connection for connection in connections if connection.id}
    return [
        f"{listener.label} was told bye of {gone.label}, which stayed"
        for listener in connections
        for id_, when in listener.byes
        if (gone := by_id.get(id_)) and gone.seated and gone.left < when and gone.join_sent < when
    ]


def replaced_by_nobody(connections: list[Connection]) -> list[Connection]:
    """Return the connections of one user that were replaced though none took their place."""
    return [
        old
        for old in connections
        if old.replaced
        and not any(
            # It joined before the old one was told, its join was not dealt with before that of the old one, and it had
            # not been replaced itself then.
            new is not old
            and new.replaced_at > old.replaced_at
            and new.first_join <= old.replaced_at
            and (new.pending or new.join_answered >= old.join_sent)
            for new in connections
        )
    ]


def unsettled(users: tuple[User, ...]) -> list[tuple[str, str]]:
    """Return which rules do not hold for a pair that stands still, and why; nothing where all is well."""
    wrong = []
    live = [user.live for user in users]
    for user, mine, others in zip(users, live, reversed(live), strict=True):
        if len(mine) != user.wanted or not all(connection.seated for connection in mine):
            labels = [connection.label for connection in mine if connection.seated]
            wrong.append(
                ("present", f"{user.name} has the connections {labels} in the room, {user.wanted:d} is wanted")
            )
            continue
        if still_open := [connection.label for connection in user.connections if connection.ended is None][len(mine) :]:
            wrong.append(("present", f"{user.name} still has {still_open}"))
        there = others[-1].id if others else None
        wrong += [
            ("peer", f"{connection.label} takes {connection.peer} for its peer, and {there} is there")
            for connection in mine
            if connection.peer != there
        ]
        wrong += [
            ("present", f"{connection.label} waits for answers") for connection in mine if not connection.answered
        ]
    return wrong
