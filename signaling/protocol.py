"""The wire protocol: text from a client to a :class:`Message`, and every reply a client can see. Pure.

``docs/protocol.md`` is its description; the catalogues below are the same, one sentence each.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Raw

from .limits import Allowance

ID_MAX_CHARACTERS = 128
_ECHO_MAX_CHARACTERS = 64


class CloseCode(IntEnum):
    """The WebSocket close codes this server sends or reports (RFC 6455, section 7.4)."""

    NORMAL = 1000, "the client closed, or the server answers its close"
    GOING_AWAY = 1001, "the page was closed, or frozen for a while"
    PROTOCOL_ERROR = 1002, "a frame breaks RFC 6455"
    NO_STATUS = 1005, "never sent: the client closed without a code, as WebSocket.close() does"
    ABNORMAL = 1006, "never sent: the TCP connection ended without a close frame"
    INVALID_DATA = 1007, "a text message is not UTF-8"
    POLICY_VIOLATION = 1008, "a rule was broken"
    MESSAGE_TOO_BIG = 1009, "a message is over the limit"
    INTERNAL_ERROR = 1011, "a fault of the server's"
    SERVICE_RESTART = 1012, "the server is restarting: come back"
    TRY_AGAIN_LATER = 1013, "the server cannot take it at the moment: come back later"
    REPLACED = 4001, "the same user joined the same room on a newer connection"
    UNAUTHORIZED = 4003, "the join was not allowed"
    PING_TIMEOUT = 4008, "the client did not answer a ping in time"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> CloseCode:
        self = int.__new__(cls, code)
        self._value_ = code
        self.meaning = meaning
        return self


class ErrorCode(StrEnum):
    """The ``code`` of an ``error`` reply, and what happens then."""

    INVALID_JSON = "invalid-json", "the text is not strict JSON"
    INVALID_MESSAGE = "invalid-message", "a field is missing or has a wrong type or length"
    MISSING_PARAMETERS = "missing-parameters", "a join lacks userId or remoteId"
    SELF_CONNECTION = "self-connection", "a user tried to join itself; the connection is closed with 1008"
    UNKNOWN_TYPE = "unknown-type", "the type is none of the protocol's"
    NOT_IN_ROOM = "not-in-room", "something was sent before any join or after bye"
    PEER_ABSENT = "peer-absent", "nobody is there to receive it; nothing is kept"
    REPLACED = "replaced", "a newer connection of the same user took over; this one is closed with 4001"
    UNAUTHORIZED = "unauthorized", "the token of a join is missing or does not allow it; closed with 4003"
    UNAVAILABLE = "unavailable", "what the workers share cannot be reached; a join is closed with 1013"
    RATE_LIMITED = "rate-limited", "over a limit: it is dropped, and a client that keeps on is closed with 1008"

    meaning: str

    def __new__(cls, code: str, meaning: str) -> ErrorCode:
        self = str.__new__(cls, code)
        self._value_ = code
        self.meaning = meaning
        return self


class MessageError(ValueError):
    """What a client sent cannot be done.

    Attributes:
        code: which of the catalogue's errors it is.
        close: the code the connection is to be closed with, or None when it stays open.
    """

    def __init__(self, code: ErrorCode, message: str, close: CloseCode | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close = close


_ABSENT = Raw(b"")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a client. What the server does not look into stays the client's own JSON (``Raw``)."""

    type: str
    userId: Raw = _ABSENT
    remoteId: Raw = _ABSENT
    iceServers: Raw = _ABSENT
    data: Raw = _ABSENT
    candidate: Raw = _ABSENT
    id: Raw = _ABSENT
    token: Raw = _ABSENT
    apiKey: Raw = _ABSENT
    resume: Raw = _ABSENT


class User(msgspec.Struct, frozen=True, gc=False):
    """A user's id: ``key`` tells users apart, ``json`` is the id as the client wrote it."""

    key: str
    json: bytes


class Pair(NamedTuple):
    """Two users' keys, sorted. A room is keyed by this, never by its name, which two pairs may share."""

    first: str
    second: str

    @classmethod
    def of(cls, one: User, other: User) -> Pair:
        return cls(*sorted((one.key, other.key), key=_utf16))

    @property
    def room(self) -> str:
        return f"room_{self.first}_{self.second}"


def _utf16(text: str) -> bytes:
    # JavaScript's Array.prototype.sort compares strings by UTF-16 code unit.
    return text.encode("utf-16-be")


_decode_message = msgspec.json.Decoder(Message).decode
_check_json = msgspec.json.Decoder(Raw).decode
_decode_id = msgspec.json.Decoder(str | int | None).decode
_decode_flag = msgspec.json.Decoder(bool | None).decode
_decode_resume = msgspec.json.Decoder(bool | str | None).decode
_encode = msgspec.json.Encoder().encode


def decode(text: str | bytes) -> Message:
    """Return the message in ``text``, the payload of a text or binary frame.

    Raises:
        MessageError: ``invalid-json`` or ``invalid-message``.
    """
    wrong = ""
    try:
        if isinstance(text, bytes):
            # msgspec does not check the UTF-8 inside Raw, and the peer's browser would drop its connection on it.
            text = text.decode()
        try:
            message = _decode_message(text)
        except msgspec.ValidationError as error:
            # It stopped at the first wrong field; what comes after that may not be JSON at all.
            _check_json(text)
            wrong = str(error)
    # Where a message is nested deeper than the stack has room for, which is some 900 levels.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MessageError(ErrorCode.INVALID_JSON, "Invalid JSON") from None
    if wrong:
        raise MessageError(ErrorCode.INVALID_MESSAGE, f"Invalid message: {wrong}")
    return message


def users_of(join: Message) -> tuple[User, User]:
    """Return the user and the remote user that a ``join`` names.

    Raises:
        MessageError: ``missing-parameters``, ``invalid-message`` or ``self-connection``.
    """
    user, remote = _user("userId", join.userId), _user("remoteId", join.remoteId)
    if user is None or remote is None:
        raise MessageError(
            ErrorCode.MISSING_PARAMETERS, "Missing required parameters: userId and remoteId are required"
        )
    if user.key == remote.key:
        raise MessageError(ErrorCode.SELF_CONNECTION, "User cannot connect to themselves", CloseCode.POLICY_VIOLATION)
    return user, remote


def _user(field: str, raw: Raw) -> User | None:
    try:
        value = _decode_id(raw) if raw else None
    except msgspec.ValidationError:
        raise _wrong_id(field) from None
    if value is None or value == "":
        return None
    key = str(value)
    if len(key) > ID_MAX_CHARACTERS:
        raise _wrong_id(field)
    return User(key, _encode(value))


def wants_ice_servers(join: Message) -> bool:
    """Tell if a ``join`` asks for ICE servers.

    Raises:
        MessageError: ``invalid-message``.
    """
    try:
        return bool(join.iceServers and _decode_flag(join.iceServers))
    except msgspec.ValidationError:
        raise MessageError(ErrorCode.INVALID_MESSAGE, "Invalid message: iceServers must be true or false") from None


def resume_of(join: Message) -> bool | str:
    """Return the resume ticket of a ``join``, True if it asks for one, False if it does neither.

    Raises:
        MessageError: ``invalid-message``.
    """
    try:
        return (join.resume and _decode_resume(join.resume)) or False
    except msgspec.ValidationError:
        raise MessageError(
            ErrorCode.INVALID_MESSAGE, "Invalid message: resume must be true, false or a ticket"
        ) from None


def _wrong_id(field: str) -> MessageError:
    return MessageError(
        ErrorCode.INVALID_MESSAGE,
        f"Invalid message: {field} must be a string of 1 to {ID_MAX_CHARACTERS} characters, or an integer",
    )


def unknown_type(type_: str) -> MessageError:
    if len(type_) > _ECHO_MAX_CHARACTERS:
        type_ = type_[:_ECHO_MAX_CHARACTERS] + "…"
    return MessageError(ErrorCode.UNKNOWN_TYPE, f"Unknown message type: {type_}")


def not_in_room() -> MessageError:
    return MessageError(ErrorCode.NOT_IN_ROOM, "Join a room first")


def peer_absent() -> MessageError:
    return MessageError(ErrorCode.PEER_ABSENT, "Your peer is not connected")


def replaced() -> MessageError:
    return MessageError(
        ErrorCode.REPLACED,
        "You have been disconnected due to a new connection from your account",
        CloseCode.REPLACED,
    )


def unauthorized(why: str) -> MessageError:
    return MessageError(ErrorCode.UNAUTHORIZED, f"Unauthorized: {why}", CloseCode.UNAUTHORIZED)


def no_relay() -> MessageError:
    return MessageError(ErrorCode.UNAVAILABLE, "Your peer cannot be reached at the moment")


def no_join() -> MessageError:
    return MessageError(
        ErrorCode.UNAVAILABLE, "No room can be joined at the moment: come back later", CloseCode.TRY_AGAIN_LATER
    )


def rate_limited(allowance: Allowance, now: float, times: int = 1) -> MessageError:
    """Return the refusal of what ``allowance`` has no room for at ``now``; it closes on who keeps on."""
    words = f"Too many: {allowance.rate.words}"
    return MessageError(
        ErrorCode.RATE_LIMITED, words, None if allowance.bear(now, times) else CloseCode.POLICY_VIOLATION
    )


# Replies, as the UTF-8 of one JSON object each.


def created(room: str, **asked: object) -> bytes:
    return _encode({"type": "created", "room": room, **asked})


def joined(room: str, **asked: object) -> bytes:
    return _encode({"type": "joined", "room": room, **asked})


def ready(room: str) -> bytes:
    return _encode({"type": "ready", "room": room})


def room_info(room: str, users: list[tuple[str, User]]) -> bytes:
    """``users`` are the members' connection ids and users, in order of arrival."""
    listed = [{"id": id_, "userId": Raw(user.json)} for id_, user in users]
    return _encode({"type": "roomInfo", "room": room, "users": listed, "userCount": len(listed)})


_MESSAGE = b'{"type":"message","data":'
_CANDIDATE = b'{"type":"message","data":{"type":"candidate","candidate":'


def relayed(message: Message, sender: bytes) -> bytes | None:
    """Return what the peer gets of a client's ``candidate`` or ``message``, None of any other type.

    The sender's own JSON is spliced in. A candidate is wrapped in a ``message``; ``sender`` is its id as JSON.
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
    """``reason`` is ``left`` or ``lost``."""
    return _encode({"type": "bye", "id": id_, "userId": Raw(user.json), "reason": reason})


def pong(id_: Raw) -> bytes:
    return b'{"type":"pong","id":%b}' % id_ if id_ else b'{"type":"pong"}'


def error(fault: MessageError) -> bytes:
    return _encode({"type": "error", "message": str(fault), "code": fault.code})
