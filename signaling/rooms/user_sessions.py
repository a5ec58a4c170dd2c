"""The sessions of each user at one node."""

from __future__ import annotations

from .registry import Member


class UserSessions:
    """The sessions of a node by their users, whether in a room or not.

    A session belongs to the user of its handshake, or else to the user of its latest join.
    """

    def __init__(self) -> None:
        # Nearly all users have one session, and need no dict. But clients may give one user to thousands of them.
        self._by_user: dict[str, Member | dict[Member, None]] = {}
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
        found = self._by_user.get(user)
        if found is None:
            self._by_user[user] = session
        elif isinstance(found, dict):
            found[session] = None
        else:
            self._by_user[user] = {found: None, session: None}

    def discard(self, session: Member) -> None:
        """Forget ``session``. If it is not there, nothing happens."""
        user = self._users.pop(session, None)
        if user is None:
            return
        found = self._by_user[user]
        if isinstance(found, dict):
            del found[session]
            if found:
                return
        del self._by_user[user]

    def of(self, user: str) -> list[Member]:
        """Return the sessions of ``user``."""
        found = self._by_user.get(user)
        if found is None:
            return []
        return list(found) if isinstance(found, dict) else [found]
