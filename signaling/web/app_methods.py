"""The methods of the extension that find their app by ``current_app``."""

from __future__ import annotations

from ..node.control import Control
from ..rooms.events import Call, Listing, Waiting


class AppMethods:
    """The methods for an app, in an app context. With Redis, they reach the users of all workers and hosts."""

    def _control(self) -> Control:
        raise NotImplementedError

    def calls(self, user: object = None) -> Listing[Call]:
        """Return the calls that go on, oldest first, as a list.

        If Redis cannot be reached, the list has only calls of this worker, and its attribute ``partial`` is True.

        Args:
            user: the id of a user; without it, the calls of all users.
        """
        return self._control().calls(_optional(user))

    def waiting(self, user: object = None, peer: object = None) -> Listing[Waiting]:
        """Return the users who wait for an absent peer, oldest first, as a list like that of :meth:`calls`.

        Args:
            user: the id of a user; without it, all users who wait.
            peer: the id of the absent user; without it, all of them.
        """
        return self._control().waiting(_optional(user), _optional(peer))

    def end(self, call_id: str, reason: str = "") -> bool:
        """End a call, and return whether there was one. Its users get the error ``ended`` and the close code 4004.

        Args:
            call_id: the ``id`` of the :class:`~signaling.Call`.
            reason: a sentence for the users.

        Raises:
            signaling.Unavailable: Redis cannot be reached, so nothing is sure.
        """
        return self._control().end(call_id, reason) is not None

    def disconnect(self, user: object, bar_seconds: float = 0) -> int:
        """Close all connections of ``user`` with 4004, and return their number. Their browsers do not reconnect.

        Call it when a user logs out or loses a right. The user of a connection is fixed at its handshake.

        Args:
            user: the id of the user.
            bar_seconds: seconds in which each join of the user is refused.

        Raises:
            signaling.Unavailable: Redis cannot be reached, so only connections of this worker were closed.
            ValueError: the seconds are negative or over a year.
        """
        return self._control().disconnect(str(user), bar_seconds).count


def _optional(user: object) -> str | None:
    return None if user is None else str(user)
