"""Parse the messages of clients, which ``docs/protocol.md`` describes. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw

from .codes import CloseCode, ErrorCode
from .errors import MessageError, unauthorized

ID_MAX_CHARACTERS = 128

_ABSENT = Raw(b"")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a client. Fields that the server does not parse stay the client's own JSON (``Raw``)."""

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
    """A user's id: ``key`` identifies the user, ``json`` is the id as the client wrote it."""

    key: str
    json: bytes


class Pair(NamedTuple):
    """The sorted keys of two users. It identifies their room. The room's name does not: two pairs may share one."""

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
    invalid = ""
    try:
        if isinstance(text, bytes):
            # msgspec does not check the UTF-8 inside Raw. Bad UTF-8 would make the peer's browser drop its connection.
            text = text.decode()
        try:
            message = _decode_message(text)
        except msgspec.ValidationError as error:
            # msgspec stopped at the first invalid field. The rest may not be JSON at all.
            _check_json(text)
            invalid = str(error)
    # RecursionError: some 900 levels of nesting are too deep for the stack.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MessageError(ErrorCode.INVALID_JSON, "Invalid JSON") from None
    if invalid:
        raise MessageError(ErrorCode.INVALID_MESSAGE, f"Invalid message: {invalid}")
    return message


def users_of(join: Message, owner: User | None = None) -> tuple[User, User]:
    """Return the user and the remote user that a ``join`` names.

    Args:
        join: the message.
        owner: the user of the connection, if it is known. The ``join`` may leave out this user, and name no other.

    Raises:
        MessageError: ``missing-parameters``, ``invalid-message``, ``self-connection`` or ``unauthorized``.
    """
    user, remote = _user("userId", join.userId) or owner, _user("remoteId", join.remoteId)
    if user is None or remote is None:
        raise MessageError(
            ErrorCode.MISSING_PARAMETERS, "Missing required parameters: userId and remoteId are required"
        )
    if user.key == remote.key:
        raise MessageError(ErrorCode.SELF_CONNECTION, "User cannot connect to themselves", CloseCode.POLICY_VIOLATION)
    if owner is not None and user.key != owner.key:
        raise unauthorized("you are another user here")
    return user, remote


def _user(field: str, raw: Raw) -> User | None:
    try:
        value = _decode_id(raw) if raw else None
    except msgspec.ValidationError:
        raise _invalid_id(field) from None
    if value is None or value == "":
        return None
    key = str(value)
    if len(key) > ID_MAX_CHARACTERS:
        raise _invalid_id(field)
    return User(key, _encode(value))


def wants_ice_servers(join: Message) -> bool:
    """Return whether a ``join`` asks for ICE servers.

    Raises:
        MessageError: ``invalid-message``.
    """
    try:
        return bool(join.iceServers and _decode_flag(join.iceServers))
    except msgspec.ValidationError:
        raise MessageError(ErrorCode.INVALID_MESSAGE, "Invalid message: iceServers must be true or false") from None


def resume_of(join: Message) -> bool | str:
    """Return the resume ticket of a ``join``, True if it asks for one, else False.

    Raises:
        MessageError: ``invalid-message``.
    """
    try:
        return (join.resume and _decode_resume(join.resume)) or False
    except msgspec.ValidationError:
        raise MessageError(
            ErrorCode.INVALID_MESSAGE, "Invalid message: resume must be true, false or a ticket"
        ) from None


def _invalid_id(field: str) -> MessageError:
    return MessageError(
        ErrorCode.INVALID_MESSAGE,
        f"Invalid message: {field} must be a string of 1 to {ID_MAX_CHARACTERS} characters, or an integer",
    )
