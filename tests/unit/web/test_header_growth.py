"""No header takes a time that grows faster than its length, whatever is in it: a stranger wrote it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

import pytest
from flask import Flask
from werkzeug.test import create_environ

from signaling import create_app
from signaling.config.settings import Settings
from signaling.security.origins import Origins
from signaling.transport import handshake
from signaling.transport.handshake import HandshakeError

LONGEST = Settings().max_head_bytes
SHORTER = LONGEST // 8

# What takes eight times as long for eight times the length is linear. The rest is for the measurement.
MAX_GROWTH = 24.0
NEVER_SLOW = 0.002
"""Seconds of CPU that are none to measure a growth by."""

HEADERS = (
    *("Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control"),
    *("Connection", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host", "If-Match", "If-Modified-Since"),
    *("If-None-Match", "If-Range", "If-Unmodified-Since", "Origin", "Pragma", "Range", "Referer"),
    *("Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "TE"),
    *("Upgrade", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"),
)

HANDSHAKE = {
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}

BEGINNINGS = {
    "Accept": ("text/html;q=",),
    "Authorization": ("Basic ", "Bearer ", "Digest ", "Basic a="),
    "Content-Type": ("multipart/form-data; boundary=",),
    "If-None-Match": ('"', 'W/"'),
    "If-Range": ('"',),
    "Origin": ("https://", "https://a."),
    "Range": ("bytes=",),
    "X-Forwarded-For": ("127.0.0.1, ",),
}

UNITS = (
    *(" ", "a", "a ", ",", ", ", "a,", ";", "a;", "a=b;", "=", '"', '"a", ', 'W/"', "\\", "/", "a/b;q=1,", "a."),
    *("0-1,", "1", ":", "[", "%20", "(", "é", 'a;b="c",', "*", "\u00a0", "1.1.1.1,"),
)


def values(header: str, length: int) -> Iterable[str]:
    for start in ("", "a", *BEGINNINGS.get(header, ())):
        for unit in UNITS:
            yield (start + unit * length)[:length] + "!"


def seconds(action: Callable[[], object]) -> float:
    """The CPU time of the shortest of some tries."""
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        action()
        best = min(best, time.process_time() - begin)
        if best < NEVER_SLOW:
            break
    return best


def check_growth(with_short: Callable[[], object], with_long: Callable[[], object], what: str) -> None:
    taken = seconds(with_long)
    if taken >= NEVER_SLOW:
        assert taken < MAX_GROWTH * max(seconds(with_short), NEVER_SLOW / 8), (what[:40], taken)


@pytest.fixture(scope="module")
def app() -> Flask:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNALING_OPS_TOKEN", "o" * 20)
        patch.setenv("SIGNALING_METRICS_TOKEN", "m" * 20)
        patch.setenv("SIGNALING_JWT_KEY", "s" * 32)
        patch.setenv("SIGNALING_TRUSTED_PROXIES", "127.0.0.1")
        patch.setenv("SIGNALING_ALLOWED_ORIGINS", "https://*.example.org")
        return create_app()


@pytest.mark.parametrize("path", ["/", "/ice-servers", "/static/client.js", "/ops"])
@pytest.mark.parametrize("header", HEADERS)
def test_the_time_of_a_request_grows_no_faster_than_a_header(app: Flask, path: str, header: str):
    environ = create_environ(path)
    name = "CONTENT_TYPE" if header == "Content-Type" else "HTTP_" + header.upper().replace("-", "_")

    def start_response(status: str, *_: object) -> Callable[[bytes], None]:
        assert not status.startswith("5"), status
        return lambda _: None

    def ask(value: str) -> None:
        with closing(app({**environ, name: value}, start_response)) as answer:
            assert all(isinstance(item, bytes) for item in answer)

    for short, long in zip(values(header, SHORTER), values(header, LONGEST), strict=True):
        check_growth(lambda short=short: ask(short), lambda long=long: ask(long), short)


@pytest.mark.parametrize("header", ["Connection", "Upgrade", "Origin", *(h for h in HEADERS if h.startswith("Sec-"))])
def test_the_time_of_a_handshake_grows_no_faster_than_a_header(header: str):
    environ = create_environ("/") | {"RAW_URI": "/", **HANDSHAKE}
    name = "HTTP_" + header.upper().replace("-", "_")

    def judge(value: str) -> None:
        with suppress(HandshakeError):
            handshake.accept({**environ, name: value})

    for short, long in zip(values(header, SHORTER), values(header, LONGEST), strict=True):
        check_growth(lambda short=short: judge(short), lambda long=long: judge(long), short)


def test_the_time_for_an_origin_grows_no_faster_than_it():
    origins = Origins(["https://*.example.org"], allow_missing=False)
    for short, long in zip(values("Origin", SHORTER), values("Origin", LONGEST), strict=True):
        for host in ("example.org", "x"):
            check_growth(
                lambda short=short, host=host: origins.allow(short, host),
                lambda long=long, host=host: origins.allow(long, host),
                short,
            )
            check_growth(
                lambda short=short, host=host: origins.allow("https://a", short),
                lambda long=long, host=host: origins.allow("https://a", long),
                short,
            )
