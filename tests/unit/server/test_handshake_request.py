"""The fast path of an ordinary handshake beside gunicorn: the same environment, the same answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.errors import ConfigurationProblem, InvalidResponseHeader, ParseException
from gunicorn.http.wsgi import create
from hypothesis import example, given
from hypothesis import strategies as st

from signaling.server.handshake_request import HEAD_BYTES, Answer, HandshakeParser
from signaling.server.worker import _Request

ADDRESS, SERVER = ("192.0.2.7", 54321), ("192.0.2.1", 8443)

CHROMIUM = (
    b"GET /?room=a%20b HTTP/1.1\r\nHost: signaling.example.org:8443\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0.0\r\nUpgrade: websocket\r\n"
    b"Origin: https://signaling.example.org:8443\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\nCookie: session=eyJ1Ijo=; a=b\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
FIREFOX = (
    b"GET /ws HTTP/1.1\r\nHost: [2001:db8::1]\r\nUser-Agent: Mozilla/5.0 (X11; rv:128.0) Gecko Firefox/128.0\r\n"
    b"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Sec-WebSocket-Version: 13\r\nOrigin: null\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: keep-alive, Upgrade\r\nSec-Fetch-Dest: empty\r\n"
    b"Sec-Fetch-Mode: websocket\r\nSec-Fetch-Site: same-site\r\nPragma: no-cache\r\nUpgrade: websocket\r\n\r\n"
)
PLAIN = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n%s\r\n\r\n"

# Bytes that parsers have disagreed about.
PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b",", b"%", b"%00", b"#", b"?", b"//", b"/", b"\\", b'"'),
    *(b"\xc3\xa9", b"\xff", b"\x7f", b"\x0b", b"_", b"-", b"X_Forwarded_For: 1", b"Host: b", b"Content-Length: 1"),
    *(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"X-Forwarded-Proto: https"),
    *(b"X-Forwarded-Protocol: ssl", b"X-Forwarded-Ssl: on", b"Script-Name: /a", b"Content-Type: a", b"HTTP/1.0"),
    *(
        b"HTTP/1.1",
        b"POST",
        b"get",
        b"Upgrade: h2c",
        b"upgrade:websocket",
        b"Cookie: c=d",
        b"Proxy: e",
        b"\x85",
        b"\xa0",
    ),
]


def config(**changed: Any) -> Config:
    made = Config()
    for name, value in {"forwarder_headers": "", **changed}.items():
        made.set(name, value)
    return made


def fast(data: bytes, cfg: Config) -> tuple[dict[str, Any], bytes] | None:
    path = HandshakeParser(cfg)
    head = path.parse(data)
    return None if head is None else (path.environ(head, None, ADDRESS, SERVER), data[head.size :])


def slow(data: bytes, cfg: Config) -> tuple[dict[str, Any], bytes]:
    """What gunicorn makes of it."""
    parser = get_parser(cfg, iter([data]), ADDRESS)
    request = next(parser)
    request.proxy_protocol_info = {}
    environ = create(request, None, ADDRESS, SERVER, cfg)[1] | {"wsgi.multithread": True}
    return environ, parser.unreader.take_buffered()


def same(data: bytes, cfg: Config) -> bool:
    """Check that gunicorn makes the same of it, if it goes by the fast path, and return whether it does."""
    made = fast(data, cfg)
    if made is None:
        return False
    environ, rest = made
    theirs, their_rest = slow(data, cfg)
    assert environ["wsgi.input"].read() == theirs["wsgi.input"].read() == b""
    assert type(environ["wsgi.errors"]) is type(theirs["wsgi.errors"])
    # An answer before the answer makes no sense in a handshake.
    for name in ("wsgi.input", "wsgi.errors", "wsgi.early_hints"):
        environ.pop(name, None)
        theirs.pop(name)
    assert environ == theirs
    assert rest == their_rest
    return True


@pytest.mark.parametrize("behind", [b"", b"\x81\x85\0\0\0\0hello", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
@pytest.mark.parametrize("data", [CHROMIUM, FIREFOX, PLAIN], ids=["Chromium", "Firefox", "plain"])
def test_browsers_go_by_the_fast_path(data: bytes, behind: bytes):
    assert same(data + behind, config())


@given(
    st.sampled_from([CHROMIUM, FIREFOX, PLAIN]),
    st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 4), st.one_of(st.sampled_from(PIECES), st.binary(max_size=3))),
        min_size=1,
        max_size=3,
    ),
)
def test_whatever_goes_by_the_fast_path_is_the_same_for_gunicorn(data: bytes, changes: list[tuple[int, int, bytes]]):
    for at, removed, put in changes:
        at %= len(data)
        data = data[:at] + put + data[at + removed :]
    same(data, config())


@given(st.text("/?#%&=;.~!*'()$,@:[]\\^`{}|<>\"aZ09 \x7f\xe9", max_size=12))
@example("/a?b?c")
@example("/?#")
@example("//a")
@example("/;a?b")
@example("/http://a")
def test_each_target_is_the_same_for_gunicorn(target: str):
    same(PLAIN.replace(b"/", target.encode("latin-1"), 1), config())


@given(
    st.text(st.characters(max_codepoint=255), max_size=8).map(lambda name: name.encode("latin-1")),
    st.binary(max_size=8),
)
def test_each_header_is_the_same_for_gunicorn(name: bytes, value: bytes):
    same(HEAD % (name + b":" + value), config())


@pytest.mark.parametrize(
    "line",
    [
        *(b"Host: b", b"Upgrade: websocket", b"Content-Length: 0", b"Content-Type: a/b", b"Transfer-Encoding: chunked"),
        *(b"Expect: 100-continue", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: on", b"X_Real_IP: 192.0.2.9"),
        *(b"A : b", b"A: b\r\n c", b"A: \x00", b"A: \x7f", b": b", b"A", b"\xe9: b"),
    ],
)
def test_what_gunicorn_acts_on_or_refuses_is_left_to_it(line: bytes):
    assert fast(HEAD % line, config()) is None


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\r\n" + PLAIN, PLAIN[:-2], PLAIN.replace(b"GET", b"HEAD"), PLAIN.replace(b"1.1", b"1.0")),
        *(PLAIN.replace(b"websocket", b"h2c"), PLAIN.replace(b"Upgrade: websocket", b"Host: a")),
        *(PLAIN.replace(b"/", each, 1) for each in (b"*", b"http://a/", b"//a", b"/%77s", b"/a#b", b"/a b")),
    ],
)
def test_other_requests_are_left_to_gunicorn(data: bytes):
    assert fast(data, config()) is None


def test_the_limits_of_gunicorn_hold():
    many = HEAD % b"\r\n".join(b"A%d: b" % number for number in range(98))
    assert same(many, config())
    assert fast(many, config(limit_request_fields=99)) is None
    with pytest.raises(ParseException):
        slow(many, config(limit_request_fields=99))

    line = PLAIN.replace(b"/", b"/" + b"a" * 100, 1)
    longest = len(line.partition(b"\r\n")[0])
    assert same(line, config(limit_request_line=longest))
    assert fast(line, config(limit_request_line=longest - 1)) is None
    with pytest.raises(ParseException):
        slow(line, config(limit_request_line=longest - 1))
    assert Config().limit_request_field_size + 3 > HEAD_BYTES


@pytest.mark.parametrize(
    "changed",
    [
        {"accesslog": "-"},
        {"pre_request": lambda worker, request: None},
        {"post_request": lambda worker, request, environ, response: None},
        {"proxy_protocol": True},
        {"limit_request_field_size": 100},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_settings_that_gunicorn_must_see_to_turn_it_off(changed: dict[str, Any]):
    assert HandshakeParser(config()).usable
    assert not HandshakeParser(config(**changed)).usable


def test_a_mount_point_in_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "SCRIPT_NAME", "/mounted")
    assert not HandshakeParser(config()).usable
    with pytest.raises(ConfigurationProblem):
        slow(PLAIN, config())


class Client:
    """The socket of a client."""

    def __init__(self) -> None:
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


class Untouched(Iterator[Any]):
    """A parser that is not needed."""

    def __next__(self) -> Any:
        raise AssertionError


ACCEPTED = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
]


def parser() -> Iterator[Any]:
    made = get_parser(config(), iter([CHROMIUM]), ADDRESS)
    made.mesg_class = _Request
    return made


def answered(respond: Callable[[Answer], None], requests: Iterator[Any]) -> bytes:
    client = Client()
    answer = Answer(config(), client, lambda: requests)
    respond(answer)
    assert answer.begun
    return client.sent


def test_an_answer_that_accepts_has_the_headers_of_the_app_alone():
    def respond(answer: Answer) -> None:
        answer.start_response("101 Switching Protocols", ACCEPTED)
        assert not answer.begun
        answer.write(b"")
        answer.close()

    assert answered(respond, Untouched()) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("status", "headers", "line"),
    [
        ("302 FOUND", [("Location", "/login"), ("Content-Length", "2")], b"Location: /login\r\n"),
        ("200 OK", [("Content-Length", "2")], b"Connection: close\r\n"),
        ("101 Switching Protocols", [*ACCEPTED, ("Set-Cookie", "a=b")], b"Set-Cookie: a=b\r\n"),
    ],
)
def test_any_other_answer_is_gunicorns(status: str, headers: list[tuple[str, str]], line: bytes):
    def respond(answer: Answer) -> None:
        answer.start_response(status, headers)
        answer.write(b"no")
        answer.close()

    sent = answered(respond, parser())
    assert sent.startswith(f"HTTP/1.1 {status}\r\nServer: gunicorn\r\n".encode())
    assert line in sent
    assert sent.endswith(b"\r\n\r\n" if status.startswith("101") else b"\r\n\r\nno")


def test_an_error_page_takes_the_place_of_an_answer_that_is_not_sent():
    def respond(answer: Answer) -> None:
        answer.start_response("101 Switching Protocols", ACCEPTED)
        try:
            raise ValueError
        except ValueError as error:
            answer.start_response("500 ERROR", [("Content-Length", "1")], (type(error), error, error.__traceback__))
        answer.write(b"x")
        answer.close()

    sent = answered(respond, parser())
    assert sent.startswith(b"HTTP/1.1 500 ERROR\r\n")
    assert b"101" not in sent


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\0", "a\n"])
def test_a_header_that_would_forge_another_is_refused(value: str):
    client = Client()
    answer = Answer(config(), client, parser)
    with pytest.raises(InvalidResponseHeader):
        answer.start_response("101 Switching Protocols", [*ACCEPTED[:2], ("Sec-WebSocket-Accept", value)])
    assert not client.sent
