"""The errors that a client gets: one exception, and one function for each error. Pure."""

from __future__ import annotations

from .codes import CloseCode, ErrorCode

_ECHO_MAX_CHARACTERS = 64


class MessageError(ValueError):
    """A message of a client that the server refuses; ``str()`` of it is the text for the client.

    Attributes:
        code: the error code of the catalogue.
        close: the code to close the connection with, None to keep it open.
    """

    def __init__(self, code: ErrorCode, message: str, close: CloseCode | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close = close


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


def unauthorized(reason: str) -> MessageError:
    return MessageError(ErrorCode.UNAUTHORIZED, f"Unauthorized: {reason}", CloseCode.UNAUTHORIZED)


def barred() -> MessageError:
    return unauthorized("you may not join at the moment")


def ended(reason: str) -> MessageError:
    return MessageError(ErrorCode.ENDED, reason or "The app ended the call", CloseCode.ENDED)


def no_relay() -> MessageError:
    return MessageError(ErrorCode.UNAVAILABLE, "Your peer cannot be reached at the moment")


def no_join() -> MessageError:
    return MessageError(
        ErrorCode.UNAVAILABLE, "No room can be joined at the moment: come back later", CloseCode.TRY_AGAIN_LATER
    )


def rate_limited(limit: str, *, tolerated: bool) -> MessageError:
    """Return the error for a message over ``limit``, a text; it closes the connection unless it is ``tolerated``."""
    return MessageError(ErrorCode.RATE_LIMITED, f"Too many: {limit}", None if tolerated else CloseCode.POLICY_VIOLATION)
