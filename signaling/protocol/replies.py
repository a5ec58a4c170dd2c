"""Build every reply that a client can get, each the UTF-8 of one JSON object. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from .errors import MessageError
from .messages import Message, User

_encode = msgspec.json.Encoder().encode


def created(room: str, **requested: object) -> bytes:
    return _encode({"type": "created", "room": room, **requested})


def joined(room: str, **requested: object) -> bytes:
    return _encode({"type": "joined", "room": room, **requested})


def ready(room: str) -> bytes:
    return _encode({"type": "ready", "room": room})


def room_info(room: str, users: list[tuple[str, User]]) -> bytes:
    """Return the reply that lists ``users``: the connection ids and users of the members, in order of arrival."""
    listed = [{"id": id_, "userId": Raw(user.json)} for id_, user in users]
    return _encode({"type": "roomInfo", "room": room, "users": listed, "userCount": len(listed)})


_MESSAGE = b'{"type":"message","data":'
_CANDIDATE = b'{"type":"message","data":{"type":"candidate","candidate":'


def forwarded(message: Message, sender: bytes) -> bytes | None:
    """Return the reply that forwards a ``candidate`` or ``message`` to the peer, None for any other type.

    It contains the sender's own JSON. A candidate is wrapped in a ``message``. ``sender`` is the sender's id as JSON.
    """
    if message.type == "candidate":
        before, value, after = _CANDIDATE, message.candidate, b"},"
    elif message.type == "message":
        before, value, after = _MESSAGE, message.data, b","
    else:
        return None
    if not value:
        before = before.rpartition(b",")[0]
    return b"".join((before, value, after, b'"from":', sender, b"}"))


def bye(id_: str, user: User, reason: str) -> bytes:
    """Return the reply that says that a peer has left; ``reason`` is ``left`` or ``lost``."""
    return _encode({"type": "bye", "id": id_, "userId": Raw(user.json), "reason": reason})


def pong(id_: Raw) -> bytes:
    return b'{"type":"pong","id":%b}' % id_ if id_ else b'{"type":"pong"}'


def error(refusal: MessageError) -> bytes:
    return _encode({"type": "error", "message": str(refusal), "code": refusal.code})
