from __future__ import annotations

import json
import logging
import logging.config
import os
import re
import ssl
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.config.logging import JsonFormatter, TextFormatter, WithoutRequests, dict_config, lost_lines, quoted
from signaling.config.priority import PRIORITIES, WITHOUT, marker, prefixes
from signaling.config.settings import Settings
from signaling.rooms.memory import MemoryRegistry
from tests.unit.people import Person


def record(message: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("signaling.rooms.session", level, __file__, 1, message, None, None)
    made.created = 1_704_067_200.0
    made.__dict__.update(fields)
    return made


def test_text_begins_with_the_time_as_the_node_server_did():
    assert TextFormatter().format(record("Client connected")) == "[2024-01-01T00:00:00.000Z] Client connected"


def test_text_ends_with_the_connection_and_how_it_ended():
    line = TextFormatter().format(
        record("Client disconnected", connection="c1", code=1006, seconds=1.5, reason="it went away")
    )
    assert line.endswith('Client disconnected connection=c1 code=1006 seconds=1.5 reason="it went away"')


def test_what_is_worse_than_information_says_so():
    assert TextFormatter().format(record("Careful", logging.WARNING)).endswith("] WARNING Careful")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "control",
    [
        *("\n", "\r", "\x1b[31m", "\x85", "\x9b31m", "\x7f", "\u2028", "\u2029", "\0", "\xad", "\ufeff", "\ud800"),
        *("\u061c", "\u200b", "\u200e", "\u202a", "\u202e", "\u2066", "\u2069", "\U000e0041", "\U0001d173", "\ue000"),
    ],
)
def test_nobody_writes_lines_or_colours_into_the_log(control, formatter):
    line = formatter.format(record(f"User a{control}b", reason=f"x{control}y z"))
    assert control not in line
    assert line.isprintable()


def test_json_is_one_object_a_line():
    line = JsonFormatter().format(record("User a\nb", connection="c1", code=1000))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2024-01-01T00:00:00.000Z",
        "level": "info",
        "logger": "signaling.rooms.session",
        "message": "User a\nb",
        "connection": "c1",
        "code": 1000,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_fault_has_its_traceback(formatter):
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        line = formatter.format(record("A fault", exc_info=(type(error), error, error.__traceback__)))
    assert "test_logs.py" in line


@pytest.mark.parametrize("kind", [TextFormatter, JsonFormatter])
def test_each_line_has_the_priority_of_its_level_for_the_journal(kind: type[logging.Formatter]):
    plain, marked = kind(), kind(PRIORITIES)
    try:
        raise ZeroDivisionError("one\n<0>two")
    except ZeroDivisionError as error:
        fault = (type(error), error, error.__traceback__)
    for level, prefix in {5: 7, 10: 7, 20: 6, 25: 6, 30: 4, 40: 3, 50: 2, 60: 2}.items():
        lines = marked.format(record("A line", level, exc_info=fault)).splitlines()
        assert [line.removeprefix(f"<{prefix}>") for line in lines] == plain.format(
            record("A line", level, exc_info=fault)
        ).splitlines()
        assert all(line.startswith(f"<{prefix}>") for line in lines)


@pytest.mark.parametrize(
    ("asked", "stream", "marked"),
    [
        *(("auto", "own", True), ("auto", "other", False), ("auto", "", False), ("auto", "1:x", False)),
        *(("always", "", True), ("never", "own", False)),
    ],
)
def test_lines_have_priorities_where_standard_error_is_the_journal(
    monkeypatch: pytest.MonkeyPatch, asked: str, stream: str, marked: bool
):
    reader, writer = os.pipe()
    with open(writer, "w") as stderr, open(reader):
        monkeypatch.setattr(sys, "stderr", stderr)
        at = os.fstat(writer)
        known = {"own": f"{at.st_dev}:{at.st_ino}", "other": f"{at.st_dev}:{at.st_ino + 1}"}
        monkeypatch.setenv("JOURNAL_STREAM", known.get(stream, stream))
        settings = Settings(log_priority=asked)
        assert prefixes(settings) is (PRIORITIES if marked else WITHOUT)
        lines = b"one\n<0>two\n<3>three\n"
        assert marker(settings)(lines) == (b"<3>one\n<3><0>two\n<3>three\n" if marked else lines)
        assert lost_lines(settings)(3).startswith("<4>") is marked


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_configuration_is_one_that_logging_takes(log_format):
    config = dict_config(Settings(log_format=log_format, log_level="warning"))
    logging.config.DictConfigurator(config)
    assert config["loggers"]["signaling"]["level"] == "WARNING"


def test_no_character_of_any_line_ends_it_or_is_unseen():
    text = "".join(map(chr, range(0x110000)))
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record(text, reason=text))
        assert line.isprintable()
    # The unit separators apart, JSON says what it was.
    assert json.loads(JsonFormatter().format(record("a\u202eb\ud800c\U000e0041")))["message"] == (
        "a\u202eb\ud800c\U000e0041"
    )


@pytest.mark.parametrize(
    "value", ["alice", "alice@example.org", "7", "auth0|5f", "M\u00fcller", "\u674e", "a_b", "a'b", "%s"]
)
def test_an_ordinary_value_stays_as_it_is(value: str):
    assert quoted(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "bob connection=ffff code=1000",
        "bob\tconnection=ffff",
        "bob\u00a0connection=ffff",
        "CN=bob",
        'bob"',
        '"bob"',
        "bob\\",
        "\\u202e",
        "bob\n[2026-01-01T00:00:00.000Z] User eve",
        "\u202ebob",
        "\ud800",
        "",
        " ",
    ],
)
def test_an_odd_value_is_a_json_string_and_no_other_value_looks_like_it(value: str):
    line = TextFormatter().format(record(f"User {quoted(value)} left", reason=value))
    [word] = re.findall(r'User ("(?:[^"\\]|\\.)*") left', line)
    assert json.loads(word) == value
    if value:
        assert line.endswith(f" reason={word}")


@given(st.text(), st.text())
def test_two_values_are_never_one_line(one: str, other: str):
    lines = {
        TextFormatter().format(record(f"User {quoted(a)} is joining room {quoted(b)}"))
        for a, b in ((one, other), (other, one), (one + other, ""), ("", one + other))
    }
    assert len(lines) == len({(one, other), (other, one), (one + other, ""), ("", one + other)})


def test_the_lines_of_the_seed_stay_as_they_are(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    registry = MemoryRegistry()
    Person(registry).joins("alice", "bob")
    Person(registry).joins("bob connection=ffff code=1000", "alice")
    assert "User alice is joining room room_alice_bob to connect with bob" in caplog.messages
    assert any(message.startswith('User "bob connection=ffff code=1000" is joining') for message in caplog.messages)
    for message in caplog.messages:
        assert "=" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", message)


def filtered(message: str, *args: object, error: Exception | None = None) -> str:
    made = logging.LogRecord("gunicorn.error", logging.WARNING, __file__, 1, message, args, None)
    try:
        raise error or ValueError
    except Exception:
        assert WithoutRequests().filter(made)
    return made.getMessage()


def test_gunicorns_lines_say_nothing_of_what_a_client_sent():
    secret = "GET /?token=secret HTTP/9"
    assert filtered(f"Invalid request from ip=::1: Invalid HTTP request line: {secret!r}") == (
        "Invalid request from ::1: ValueError"
    )
    assert filtered("Invalid request from ip=: x", error=ssl.SSLError(1, "x")) == (
        'Invalid request from "a Unix socket": SSLError'
    )
    assert filtered("Error handling request %s %s", "GET", "/a?token=secret") == "Error handling request GET /a"
    assert filtered("Error handling request %s", "https://u:secret@h/a b=c#secret") == (
        'Error handling request "/a b=c"'
    )
    assert filtered("Exception on %s [%s]", "/a=b", "GET") == 'Exception on "/a=b" [GET]'
    assert "secret" not in filtered("Ignored premature client disconnection. No more data after: b'GET /?secret'")
    assert filtered("Listening at: %s", "a?b") == "Listening at: a?b"
    assert WithoutRequests().filter(logging.LogRecord("a", 30, "", 1, ValueError("x"), None, None))
