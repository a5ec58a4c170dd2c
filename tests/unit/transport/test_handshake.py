"""Opening handshakes in both lanes, which must agree; what is refused, and with what words."""

from __future__ import annotations

import itertools

import pytest

from signaling.transport import handshake
from signaling.transport.handshake import HandshakeError

# RFC 6455, section 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPTED = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}
BROWSERS = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "RAW_URI": "/",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_ORIGIN": "https://example.org",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate; client_max_window_bits",
}
# What each field may be beside what browsers send; None is that it is missing.
OTHERS = {
    "REQUEST_METHOD": ["POST", "HEAD", "get"],
    "SERVER_PROTOCOL": ["HTTP/1.0"],
    "HTTP_CONNECTION": [
        None,
        "",
        "upgrade",
        "keep-alive, Upgrade",
        "keep-alive",
        "Upgrade,",
        "UPGRADE",
        "a b",
        "Upgrade;",
    ],
    "HTTP_UPGRADE": [None, "", "WebSocket", "websocket, h2c", "h2c", "websocket/13", "web socket"],
    "HTTP_ORIGIN": [None, "null", "https://a.example, https://b.example"],
    "HTTP_SEC_WEBSOCKET_KEY": [
        *(None, "", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", KEY + KEY),
        *("dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZ===", "dGhl-HNhbXBsZSBub25jZQ==", " " + KEY, KEY + "\n"),
        *(
            "++++++++++++++++++++++==",
            "//////////////////////==",
            "=GhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZQé=",
        ),
    ],
    "HTTP_SEC_WEBSOCKET_VERSION": [None, "", "8", "13, 8", " 13", "013"],
    "HTTP_SEC_WEBSOCKET_PROTOCOL": ["chat", "chat, superchat", "", "a b"],
    "CONTENT_LENGTH": ["0", "1", ""],
    "HTTP_TRANSFER_ENCODING": ["chunked", ""],
}


def judged(environ: dict[str, str]) -> dict[str, str] | tuple[int, str]:
    try:
        return handshake._accept_slow(environ)
    except HandshakeError as error:
        return error.status, str(error)


def variants() -> list[dict[str, str | None]]:
    """Every one other value, and every two."""
    single = [{name: value} for name, values in OTHERS.items() for value in values]
    return [{}, *single, *(a | b for a, b in itertools.combinations(single, 2) if a.keys() != b.keys())]


def test_both_lanes_agree_on_what_the_short_one_takes():
    taken = 0
    for changed in variants():
        environ = {name: value for name, value in (BROWSERS | changed).items() if value is not None}
        answer = handshake.accept_fast(environ)
        if answer is not None:
            taken += 1
            assert answer == judged(environ), changed
    assert taken > 10


@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade"], ids=["Chromium", "Firefox"])
def test_browsers_go_by_the_short_lane(connection: str):
    environ = BROWSERS | {"HTTP_CONNECTION": connection}
    assert handshake.accept_fast(environ) == ACCEPTED == handshake.accept(environ)


def test_the_first_subprotocol_is_taken():
    accepted = handshake.accept(BROWSERS | {"HTTP_SEC_WEBSOCKET_PROTOCOL": "chat, superchat"})
    assert accepted == ACCEPTED | {"Sec-WebSocket-Protocol": "chat"}


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, 426, "WebSocket version 13 is needed, not '8'."),
        ({"CONTENT_LENGTH": "5"}, 400, "Bad WebSocket handshake: it has a body."),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 400, "Bad WebSocket handshake: it has a body."),
        ({"HTTP_UPGRADE": "h2c"}, 400, "Bad WebSocket handshake: invalid Upgrade header: h2c."),
        ({"HTTP_SEC_WEBSOCKET_KEY": "x"}, 400, "Bad WebSocket handshake: invalid Sec-WebSocket-Key header: x."),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, str], status: int, words: str):
    with pytest.raises(HandshakeError) as raised:
        handshake.accept(BROWSERS | changed)
    assert (raised.value.status, str(raised.value)) == (status, words)
