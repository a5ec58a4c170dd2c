"""The catalogues of close codes and error codes. ``docs/protocol.md`` describes them. Pure."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class CloseCode(IntEnum):
    """The WebSocket close codes that this server sends or reports (RFC 6455, section 7.4)."""

    NORMAL = 1000, "the client closed, or the server answers its close"
    GOING_AWAY = 1001, "the page was closed, or frozen for a while"
    PROTOCOL_ERROR = 1002, "a frame breaks RFC 6455"
    NO_STATUS = 1005, "never sent: the client closed without a code, as WebSocket.close() does"
    ABNORMAL = 1006, "never sent: the TCP connection ended without a close frame"
    INVALID_DATA = 1007, "a text message is not UTF-8"
    POLICY_VIOLATION = 1008, "a rule was broken"
    MESSAGE_TOO_BIG = 1009, "a message is over the limit"
    INTERNAL_ERROR = 1011, "an internal error of the server"
    SERVICE_RESTART = 1012, "the server is restarting: reconnect"
    TRY_AGAIN_LATER = 1013, "the server cannot take the join at the moment: reconnect later"
    REPLACED = 4001, "the same user joined the same room on a newer connection"
    UNAUTHORIZED = 4003, "the join was not allowed"
    ENDED = 4004, "the app ended the call or the connection"
    PING_TIMEOUT = 4008, "the client did not answer a ping in time"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> CloseCode:
        self = int.__new__(cls, code)
        self._value_ = code
        self.meaning = meaning
        return self


class ErrorCode(StrEnum):
    """The ``code`` of an ``error`` reply."""

    INVALID_JSON = "invalid-json", "the text is not strict JSON"
    INVALID_MESSAGE = "invalid-message", "a field is missing or has a wrong type or length"
    MISSING_PARAMETERS = "missing-parameters", "a join lacks userId or remoteId"
    SELF_CONNECTION = "self-connection", "a user tried to join a room with themselves; closed with 1008"
    UNKNOWN_TYPE = "unknown-type", "the type is none of the protocol's"
    NOT_IN_ROOM = "not-in-room", "something was sent before any join or after bye"
    PEER_ABSENT = "peer-absent", "the peer is not there; the message is dropped"
    REPLACED = "replaced", "a newer connection of the same user replaced this one, which is closed with 4001"
    UNAUTHORIZED = "unauthorized", "the token of a join is missing or does not allow it; closed with 4003"
    ENDED = "ended", "the app ended the call or the connection, which is closed with 4004"
    UNAVAILABLE = "unavailable", "the shared rooms cannot be reached; after a join the connection is closed with 1013"
    RATE_LIMITED = "rate-limited", "over a limit: the message is dropped; a client that continues is closed with 1008"

    meaning: str

    def __new__(cls, code: str, meaning: str) -> ErrorCode:
        self = str.__new__(cls, code)
        self._value_ = code
        self.meaning = meaning
        return self
