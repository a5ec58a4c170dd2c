"""One client's conversation: who it is, who its peer is, and what each message of it does. Pure of sockets."""

from __future__ import annotations

import logging
import secrets
import time
from typing import NoReturn, Protocol

from . import protocol
from .ice import ice_servers
from .protocol import CloseCode, Message, MessageError, Pair, User
from .registry import Member, Registry
from .settings import Settings

log = logging.getLogger(__name__)

LEFT = "left"
LOST = "lost"

_DELIBERATE = {CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS}
_NOBODY = User("", b"")


class Outlet(Protocol):
    """Where a session's replies go. Neither call waits or raises."""

    def send_text(self, payload: bytes, *more: bytes) -> None: ...

    def close(self, code: int, reason: str = "") -> None: ...


class Session:
    """The member of a room that stands for one connection.

    Invariant: it is in at most one room, and each time it is in one it leaves it exactly once, whatever ends it:
    ``bye``, another join, a replacement or the end of its connection.
    """

    __slots__ = ("_outlet", "_registry", "_settings", "deliver", "id", "pair", "peer", "user")

    def __init__(self, registry: Registry, outlet: Outlet, settings: Settings) -> None:
        self.id = secrets.token_hex(8)
        self.user = _NOBODY
        self.pair: Pair | None = None
        self.peer: Member | None = None
        self._registry = registry
        self._outlet = outlet
        self._settings = settings
        self.deliver = outlet.send_text

    def relay(self, text: str | bytes) -> bool:
        """Pass a message on to the peer, without waiting; False, and nothing done, if it is for :meth:`receive`."""
        if self.peer is None:
            return False
        try:
            reply = protocol.relayed(protocol.decode(text), self.user.json)
        except MessageError:
            return False
        if reply is None:
            return False
        self.peer.deliver(reply)
        return True

    def receive(self, text: str | bytes) -> None:
        """Do what one message of the client asks for; what is wrong with it is answered by an ``error``."""
        try:
            message = protocol.decode(text)
            type_ = message.type
            reply = protocol.relayed(message, self.user.json)
            if reply is not None:
                (self.peer or self._nobody()).deliver(reply)
            elif type_ == "join":
                self._join(message)
            elif type_ == "bye":
                self._leave(LEFT)
            elif type_ == "ping":
                self.deliver(protocol.pong(message.id))
            else:
                raise protocol.unknown_type(type_)
        except MessageError as error:
            self._refuse(error)

    def end(self, code: int) -> None:
        """Leave for good: the connection ended with the close code ``code``."""
        self._leave(LEFT if code in _DELIBERATE else LOST)

    def _nobody(self) -> NoReturn:
        raise protocol.not_in_room() if self.pair is None else protocol.peer_absent()

    def _join(self, join: Message) -> None:
        user, remote = protocol.users_of(join)
        asked = (
            {"iceServers": ice_servers(self._settings, self.id, time.time())}
            if protocol.wants_ice_servers(join)
            else {}
        )
        pair = Pair.of(user, remote)
        # Elsewhere, or here under the other name: that is a departure. Here as before: one joins again in place.
        if self.pair is not None and (self.pair, self.user.key) != (pair, user.key):
            self._leave(LEFT)
        self.user = user
        room = pair.room
        self._note("User %s is joining room %s to connect with %s", user.key, room, remote.key)
        replaced, peer, members = self._registry.enter(pair, self)
        info = protocol.room_info(room, [(member.id, member.user) for member in members])
        if replaced is not None:
            self._note("User %s has a newer connection; the old one, %s, is out", user.key, replaced.id)
            replaced.dismiss()
        if peer is None:
            if replaced is None:
                self._note("Created new room: %s", room)
            self._note("User %s is initiator for room %s", user.key, room)
            self.deliver(protocol.created(room, **asked), info)
        else:
            self._note("User %s joined room %s", user.key, room)
            self.deliver(protocol.joined(room, **asked), info)
            peer.deliver(protocol.ready(room), info)

    def dismiss(self) -> None:
        """Tell the client that a newer connection of its user took its place, and close."""
        self._refuse(protocol.replaced())

    def _leave(self, reason: str) -> None:
        pair = self.pair
        if pair is None:
            return
        peer = self._registry.leave(self)
        self._note("User %s left room %s (%s)", self.user.key, pair.room, reason)
        if peer is None:
            self._note("Removed empty room: %s", pair.room)
        else:
            info = protocol.room_info(pair.room, [(peer.id, peer.user)])
            peer.deliver(protocol.bye(self.id, self.user, reason), info)

    def _refuse(self, error: MessageError) -> None:
        log.debug("Error %s: %s", error.code, error, extra={"connection": self.id})
        self.deliver(protocol.error(error))
        if error.close is not None:
            self._outlet.close(error.close, str(error))

    def _note(self, text: str, *values: object) -> None:
        log.info(text, *values, extra={"connection": self.id})
