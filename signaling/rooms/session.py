"""One client's conversation: its user, its room, its peer, and the effect of each message. It knows no socket."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from ..config.logging import quoted
from ..protocol import errors, messages, replies
from ..protocol.codes import CloseCode
from ..protocol.errors import MessageError
from ..protocol.messages import Message, Pair, User
from ..security.rate_limit import TokenBucket
from ..telemetry.call import Call
from .admission import UNKNOWN, Identity
from .context import SessionContext
from .ice import ice_servers
from .registry import JoinResult, Occupant, Peer

log = logging.getLogger(__name__)

LEFT = "left"
LOST = "lost"

# Not 1001: browsers send it for a tab that closes, and for a page that was frozen and may come back.
_DELIBERATE = {CloseCode.NORMAL, CloseCode.NO_STATUS, CloseCode.ENDED}
_NO_USER = User("", b"")


class ClientTransport(Protocol):
    """The connection to the client. Its methods neither wait nor raise."""

    @property
    def is_open(self) -> bool: ...

    def send_text(self, payload: bytes, *more: bytes) -> None: ...

    def close(self, code: int, reason: str = "") -> None: ...


class Session:
    """The member of a room that stands for one connection.

    Invariant: it is in at most one room, and leaves each room exactly once. A ``bye``, another join, a replacement or
    the end of its connection makes it leave.
    """

    is_remote = False

    __slots__ = (
        "_call",
        "_calls",
        "_context",
        "_identity",
        "_joins",
        "_messages",
        "_transport",
        "deliver",
        "id",
        "pair",
        "peer",
        "user",
    )

    def __init__(self, context: SessionContext, transport: ClientTransport, identity: Identity = UNKNOWN) -> None:
        self.id = secrets.token_hex(8)
        self.user = _NO_USER
        self.pair: Pair | None = None
        self.peer: Peer | None = None
        self._context = context
        self._identity = identity
        self._transport = transport
        self._messages = TokenBucket(context.message_rate)
        self._joins: TokenBucket | None = None
        # The call of its room; None outside of a room.
        self._call: Call | None = None
        self._calls = context.stats.calls
        self.deliver = transport.send_text
        if identity.user is not None:
            context.sessions.move(self, identity.user.key)

    def forward(self, text: str | bytes) -> bool:
        """Forward a message to the peer, or answer a ping, without waiting.

        Return False, with nothing done, if the message is for :meth:`receive`.
        """
        try:
            message = messages.decode(text)
        except MessageError:
            return False
        reply = replies.forwarded(message, self.user.json)
        if reply is None:
            return message.type == "ping" and self._pong(message)
        peer = self.peer
        if peer is None:
            return False
        now = time.monotonic()
        if not self._messages.try_acquire(now):
            return False
        self._forward(peer, message, text, reply, now)
        return True

    def _pong(self, ping: Message) -> bool:
        if not self._messages.try_acquire(time.monotonic()):
            return False
        self.deliver(replies.pong(ping.id))
        return True

    def receive(self, text: str | bytes) -> None:
        """Do what one message of the client asks for. It may wait for Redis.

        If the message is wrong, the client gets an ``error``.
        """
        now = time.monotonic()
        try:
            if not self._messages.try_acquire(now):
                raise _rate_limited(self._messages, now)
            message = messages.decode(text)
            type_ = message.type
            reply = replies.forwarded(message, self.user.json)
            if reply is not None:
                if self.peer is None:
                    raise errors.not_in_room() if self.pair is None else errors.peer_absent()
                self._forward(self.peer, message, text, reply, now)
            elif type_ == "join":
                self._join(message, now)
            elif type_ == "bye":
                self._leave(LEFT)
            elif type_ == "ping":
                self.deliver(replies.pong(message.id))
            else:
                raise errors.unknown_type(type_)
        except MessageError as error:
            self.refuse(error)

    def charge_frames(self, frames: int) -> None:
        """Charge frames that are no messages, such as pings, to the message rate."""
        now = time.monotonic()
        if not self._messages.try_acquire(now, frames):
            self.refuse(_rate_limited(self._messages, now, frames))

    def on_disconnect(self, code: int) -> None:
        """Leave the room, since the connection ended with the close code ``code``."""
        self._context.sessions.discard(self)
        self._leave(LEFT if code in _DELIBERATE else LOST, code)

    def _forward(self, peer: Peer, message: Message, text: str | bytes, reply: bytes, now: float) -> None:
        # Two steps: `peer.deliver(reply)` would look for a method first, with each message.
        deliver = peer.deliver
        deliver(reply)
        if self._call is not None:
            self._calls.count_forwarded(self._call, self.user.key, message, text, now)

    def _join(self, join: Message, now: float) -> None:
        context = self._context
        if self._joins is None:
            self._joins = TokenBucket(context.join_rate)
        if not self._joins.try_acquire(now):
            raise _rate_limited(self._joins, now)
        owner, refusal = self._identity
        if refusal is not None:
            # A stored error keeps the frames of its last raise alive.
            raise refusal.with_traceback(None)
        user, remote = messages.users_of(join, owner)
        extras: dict[str, object] = {}
        if context.verifier is not None:
            token_end = context.verifier.check(join, user, remote)
            if messages.resume_of(join):
                extras["resume"] = context.verifier.tickets.issue(user, remote, token_end)
        if context.admission is not None and context.admission.has_authorizer:
            context.admission.authorize(user, remote)
            if not self._transport.is_open:
                # It ended while the app decided. A newer connection of the user must not lose its seat to it.
                return
        if messages.wants_ice_servers(join):
            extras["iceServers"] = ice_servers(context.settings, self.id, time.time())
        pair = Pair.of(user, remote)
        # Another room, or the same one as the other user: it leaves first. The same seat: it keeps its place.
        if self.pair is not None and (self.pair, self.user.key) != (pair, user.key):
            self._leave(LEFT)
        self.user = user
        if context.logs_sessions and log.isEnabledFor(logging.INFO):
            name, room = self._shown(pair)
            self._log(
                "User %s is joining room %s to connect with %s", name, room, quoted(context.stats.name(remote.key))
            )
        context.sessions.move(self, user.key)
        context.registry.join(pair, self, remote, partial(self._on_joined, pair, extras))

    def _on_joined(self, pair: Pair, extras: dict[str, object], result: JoinResult) -> None:
        replaced, peer, members = result
        stats = self._context.stats
        self._call = stats.enter(pair, self.user.key, first=peer is None, replaces=replaced is not None)
        if self._context.logs_sessions and log.isEnabledFor(logging.INFO):
            self._log_joined(pair, result)
        reply = replies.created if peer is None else replies.joined
        self.deliver(reply(pair.room, **extras), _info(pair, members))

    def peer_joined(self, members: Sequence[Occupant]) -> None:
        """Tell the client that its peer came, so that it starts or restarts the negotiation."""
        pair = self._current_pair()
        if self._call is not None and self.peer is not None and self.peer.is_remote:
            if members[-1].id == self.id:
                # The peer was thought lost and is back. No join happened that would measure this negotiation.
                self._calls.ready(self._call, self.user.key, time.monotonic())
            else:
                self._calls.peer_joined_elsewhere(self._call)
        self.deliver(replies.ready(pair.room), _info(pair, members))

    def peer_left(self, gone: Peer, reason: str) -> None:
        """Tell the client that its peer left."""
        pair = self._current_pair()
        if self._call is not None and gone.is_remote:
            self._calls.peer_left(self._call)
        self.deliver(replies.bye(gone.id, gone.user, reason), _info(pair, [self]))

    def replaced(self, *, is_remote: bool = False) -> None:
        """Tell the client that a newer connection of its user took its place, and close."""
        self.refuse(errors.replaced())
        if self._call is not None and is_remote:
            self._context.stats.leave(self._call, self.user.key, "replaced by a connection to another node")
        self._call = None

    def _current_pair(self) -> Pair:
        assert self.pair is not None
        return self.pair

    def _leave(self, reason: str, code: int | None = None) -> None:
        pair = self.pair
        if pair is None:
            return
        stats = self._context.stats
        peer = self._context.registry.leave(self, reason)
        if self._call is not None:
            stats.leave(self._call, self.user.key, reason if code is None else f"{reason}, close code {code:d}")
            self._call = None
        if self._context.logs_sessions and log.isEnabledFor(logging.INFO):
            name, room = self._shown(pair)
            self._log("User %s left room %s (%s)", name, room, reason)
            if peer is None:
                self._log("Removed empty room: %s", room)

    def refuse(self, error: MessageError) -> None:
        """Answer with an ``error``, and close the connection if the error has a close code."""
        if log.isEnabledFor(logging.DEBUG):
            words = quoted(self._context.stats.words(error), sentence=True)
            log.debug("Error %s: %s", error.code, words, extra={"connection": self.id})
        self._context.stats.fail(error, self._call, self.user.key)
        self.deliver(replies.error(error))
        if error.close is not None:
            self._transport.close(error.close, str(error))

    def _log_joined(self, pair: Pair, result: JoinResult) -> None:
        name, room = self._shown(pair)
        if result.replaced is not None:
            self._log("User %s has a newer connection, which replaced %s", name, quoted(result.replaced))
        if result.peer is not None:
            self._log("User %s joined room %s", name, room)
            return
        if result.replaced is None:
            self._log("Created new room: %s", room)
        self._log("User %s is initiator for room %s", name, room)

    def _shown(self, pair: Pair) -> tuple[str, str]:
        """Return the user and their room as a log line shows them."""
        stats = self._context.stats
        return quoted(stats.name(self.user.key)), quoted(stats.room(pair))

    def _log(self, text: str, *values: str) -> None:
        log.info(text, *values, extra={"connection": self.id})


def _rate_limited(bucket: TokenBucket, now: float, times: int = 1) -> MessageError:
    return errors.rate_limited(bucket.rate.words, tolerated=bucket.tolerate(now, times))


def _info(pair: Pair, members: Sequence[Occupant]) -> bytes:
    return replies.room_info(pair.room, [(member.id, member.user) for member in members])
