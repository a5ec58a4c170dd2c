from __future__ import annotations

import json
import logging
import logging.config

import pytest

from signaling.logs import JsonFormatter, TextFormatter, dict_config
from signaling.settings import Settings


def record(message: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("signaling.session", level, __file__, 1, message, None, None)
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
@pytest.mark.parametrize("control", ["\n", "\r", "\x1b[31m", "\x85", "\x9b31m", "\x7f", "\u2028", "\0"])
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
        "logger": "signaling.session",
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


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_configuration_is_one_that_logging_takes(log_format):
    config = dict_config(Settings(log_format=log_format, log_level="warning"))
    logging.config.DictConfigurator(config)
    assert config["loggers"]["signaling"]["level"] == "WARNING"
