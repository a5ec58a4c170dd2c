"""The interface of the rooms, and of their members.

Joining and leaving change membership, and set the peer of each member. Forwarding a message takes no lock: it reads
:attr:`Member.peer`. ``memory.py`` has the rooms of one process, ``redis/registry.py`` those that several nodes share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..protocol.errors import MessageError
from ..protocol.messages import Pair, User
from .events import Call, EventSink, Listing, Waiting


class Unavailable(Exception):  # noqa: N818 - apps know the name
    """Redis or the service cannot be reached. Without Redis, other nodes cannot be told."""


class Occupant(Protocol):
    """A connection with a place in a room."""

    @property
    def id(self) -> str:
        """Return the id of the connection, which is unique."""

    @property
    def user(self) -> User:
        """Return its user."""


class Peer(Occupant, Protocol):
    """The other connection in a room: a session of this process, or a connection to another node."""

    @property
    def is_remote(self) -> bool:
        """Tell if it is a connection to another node."""

    @property
    def deliver(self) -> Callable[..., None]:
        """Return the function that sends replies, as bytes, to its client. The function neither waits nor raises."""


class Member(Peer, Protocol):
    """A connection to this process that can be in a room. Its methods neither wait nor raise.

    Attributes:
        pair: its room, or None. Only the registry sets it.
        peer: the other connection in the room, or None. Only the registry sets it.
    """

    pair: Pair | None
    peer: Peer | None

    def peer_joined(self, members: Sequence[Occupant]) -> None:
        """Handle the arrival of its peer; ``members`` are in order of arrival."""

    def peer_left(self, gone: Peer, reason: str) -> None:
        """Handle the departure of its peer, for the ``reason`` ``left`` or ``lost``."""

    def replaced(self, *, is_remote: bool = False) -> None:
        """Handle the loss of its place to a newer connection of its user, which another node has if ``is_remote``."""

    def refuse(self, error: MessageError) -> None:
        """Tell its client that a request cannot be done."""


class JoinResult(NamedTuple):
    """The effect of :meth:`Registry.join`."""

    replaced: str | None
    """The id of the connection that this one replaced; None if there was none, or if it was the member itself."""
    peer: Peer | None
    members: Sequence[Occupant]
    """In order of arrival; the member itself is the last one."""


class CallDirectory(Protocol):
    """The calls that go on and the users who wait, at all nodes that share the rooms.

    Attributes:
        on_event: receives the events of calls and waits. Each event goes to one node only.
    """

    on_event: EventSink

    def calls(self) -> Listing[Call]:
        """Return the calls that go on, oldest first; without those of other nodes if Redis is down. May wait."""

    def waits(self) -> Listing[Waiting]:
        """Return the users who wait, likewise."""

    def answered(self, pair: Pair) -> None:
        """Note that the call of ``pair`` was answered. Does not wait."""

    def end_call(self, call_id: str) -> Pair | None:
        """End the call with this id, and return its room; None if there is no such call. Its members stay. May wait.

        Raises:
            Unavailable: Redis cannot be reached.
        """

    def bar(self, user: str, seconds: float) -> None:
        """Refuse the joins of ``user`` for ``seconds``. May wait.

        Raises:
            Unavailable: Redis cannot be reached.
        """


class Registry(Protocol):
    """The rooms. No room is empty, and no member is in two.

    It calls the methods of a member if somebody else changes the member's room.
    """

    @property
    def directory(self) -> CallDirectory:
        """Return the calls and the waits of all nodes."""

    @property
    def room_count(self) -> int:
        """Return the number of rooms; if several nodes share them, of those that count at this one."""

    def join(self, pair: Pair, member: Member, remote: User, on_joined: Callable[[JoinResult], None]) -> None:
        """Put ``member``, which must be in no other room, into the room of ``pair``.

        If its user has a place there already, ``member`` replaces that connection. It may wait.

        Args:
            pair: the room.
            member: the connection that joins.
            remote: the user whom it wants to meet.
            on_joined: is called before anything else can happen in the room. It must not wait.

        Raises:
            MessageError: ``unavailable``; ``unauthorized`` if the user is barred.
        """

    def leave(self, member: Member, reason: str) -> Peer | None:
        """Take ``member`` out of its room, and return the peer that stays. Does not wait.

        If ``member`` is in no room, nothing happens. The peer's client gets the ``reason``, ``left`` or ``lost``.
        """

    def is_alone(self, pair: Pair, user: str) -> bool:
        """Tell if a connection of ``user`` to this process is the only one in the room of ``pair``."""

    def members_of(self, pair: Pair) -> list[Member]:
        """Return the connections to this process in the room of ``pair``."""
