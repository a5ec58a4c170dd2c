from __future__ import annotations

import msgspec
import pytest

from signaling.settings import Settings, SettingsError, misspelled, variable_name


def test_the_defaults_need_no_environment():
    settings = Settings.load({})
    assert (settings.port, settings.max_message_bytes, settings.send_buffer_bytes) == (8443, 65_536, 1_048_576)
    assert (settings.ping_interval, settings.ping_timeout, settings.max_connections) == (25, 20, 10_000)


def test_text_and_values_of_a_flask_config_are_both_read():
    settings = Settings.load({"PORT": "9000", "SIGNALING_PING_INTERVAL": "2.5", "SIGNALING_MAX_CONNECTIONS": 7})
    assert (settings.port, settings.ping_interval, settings.max_connections) == (9000, 2.5, 7)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings.load({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "70000", "a whole number from 0 to 65535 (default 8443)"),
        ("PORT", "", "a whole number from 0 to 65535 (default 8443)"),
        ("SIGNALING_MAX_MESSAGE_BYTES", "1.5", "a whole number from 1024 to 16777216 (default 65536)"),
        ("SIGNALING_PING_TIMEOUT", "nan", "a number over 0 and at most 86400 (default 20.0)"),
        ("SIGNALING_PING_TIMEOUT", "-1", "a number over 0 and at most 86400 (default 20.0)"),
        ("SIGNALING_LOG_LEVEL", "loud", "one of debug, error, info, warning (default 'info')"),
        ("SIGNALING_BIND", 5, "text (default '')"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name, value, expected):
    with pytest.raises(SettingsError) as error:
        Settings.load({name: value})
    assert str(error.value) == f"{name}={value!r} is not usable: it must be {expected}"


def test_a_name_that_is_no_setting_gets_the_nearest_that_is():
    environ = {"SIGNALING_MAXCONNECTIONS": "1", "SIGNALING_BIND": "::1", "PATH": "/bin"}
    assert misspelled(environ) == [("SIGNALING_MAXCONNECTIONS", "SIGNALING_MAX_CONNECTIONS")]


def test_every_setting_says_what_it_is_for():
    for field in msgspec.structs.fields(Settings):
        kind = msgspec.inspect.type_info(field.type)
        assert isinstance(kind, msgspec.inspect.Metadata), field.name
        assert kind.extra_json_schema
        assert kind.extra_json_schema["description"].endswith(".")
        assert variable_name(field.name).isupper()
