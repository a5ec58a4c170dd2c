"""The sessions of each user at one node."""

from __future__ import annotations

from .registry import Member


class UserSessions:
    """The sessions of a node by their users, whether in a room or not.

    A session belongs to the user of its handshake, or else to the user of its latest join.
    """

    def __init__(self) -> None:
        # Nearly all users have one session. A dict for each of them would take five times the memory.
        self._by_user: dict[str, tuple[Member, ...]] = {}
        self._users: dict[Member, str] = {}

    def __len__(self) -> int:
        """The number of sessions whose user is known."""
        return len(self._users)

    def move(self, session: Member, user: str) -> None:
        """Note that ``session`` belongs to ``user`` from now on."""
        if self._users.get(session) == user:
            return
        self.discard(session)
        self._users[session] = user
        self._by_user[user] = (*self._by_user.get(user, ()), session)

    def discard(self, session: Member) -> None:
        """Forget ``session``. If it is not there, nothing happens."""
        user = self._users.pop(session, None)
        if user is not None:
            others = tuple(other for other in self._by_user[user] if other is not session)
            if others:
                self._by_user[user] = others
            else:
                del self._by_user[user]

    def of(self, user: str) -> list[Member]:
        """Return the sessions of ``user``."""
        return list(self._by_user.get(user, ()))
