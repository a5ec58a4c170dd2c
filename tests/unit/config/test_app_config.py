"""The settings of an app: what Flask makes of its environment, and what comes too late."""

from __future__ import annotations

import json
import os

import pytest
from flask import Flask

from signaling.config.app_config import AppConfig
from signaling.config.env import SettingsError

KEY = "a secret of thirty-two bytes or more"
DIGITS = "12345678901234567890123456789012"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch):
    """The settings of an app that was started with an environment, and reads it as Flask does."""

    def read(name: str = "signaling", prefix: str = "FLASK", **environ: str) -> AppConfig:
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        app = Flask("app")
        app.config.from_prefixed_env(prefix)
        return AppConfig(name, app.config, os.environ)

    return read


@pytest.mark.parametrize(
    ("variable", "written", "wanted"),
    [
        ("FLASK_SIGNALING__JWT_KEY", "SIGNALING__JWT_KEY", "JWT_KEY"),
        ("FLASK_SIGNALING___JWT_KEY", "SIGNALING___JWT_KEY", "JWT_KEY"),
        ("FLASK_SIGNALING_JWT__KEY", "SIGNALING_JWT__KEY", "JWT_KEY"),
        ("FLASK_SIGNALING_ALLOWED__ORIGINS", "SIGNALING_ALLOWED__ORIGINS", "ALLOWED_ORIGINS"),
        ("FLASK_SIGNALING_TRUSTED__PROXIES", "SIGNALING_TRUSTED__PROXIES", "TRUSTED_PROXIES"),
        ("FLASK_SIGNALING_MAX__CONNECTIONS", "SIGNALING_MAX__CONNECTIONS", "MAX_CONNECTIONS"),
        ("FLASK__SIGNALING_JWT_KEY", "_SIGNALING_JWT_KEY", "JWT_KEY"),
        ("FLASK___SIGNALING_JWT_KEY", "__SIGNALING_JWT_KEY", "JWT_KEY"),
        ("FLASK_signaling_jwt_key", "signaling_jwt_key", "JWT_KEY"),
        ("FLASK_SIGNALING__OPEN", "SIGNALING__OPEN", "OPEN"),
        ("SIGNALING__JWT_KEY", "SIGNALING__JWT_KEY", "JWT_KEY"),
    ],
)
def test_a_misplaced_setting_ends_the_start(config, variable: str, written: str, wanted: str):
    with pytest.raises(SettingsError, match=f"^{written} is not a setting; write SIGNALING_{wanted}$"):
        config(**{variable: KEY})


@pytest.mark.parametrize(
    "variable",
    ["FLASK_SUPPORT_SIGNALING__JWT_KEY", "FLASK_SUPPORT__SIGNALING_JWT_KEY", "FLASK_SUPPORT_SIGNALING_JWT__KEY"],
)
def test_a_misplaced_setting_of_a_named_instance_ends_the_start(config, variable: str):
    with pytest.raises(SettingsError, match=r"is not a setting; write SUPPORT_SIGNALING_JWT_KEY$"):
        config("support", **{variable: KEY})
    # It is nothing to the default instance.
    assert config().settings.jwt_key == ""


def test_a_json_object_in_the_environment_ends_the_start(config):
    with pytest.raises(SettingsError, match=r"^SIGNALING__JWT_KEY is not a setting; write SIGNALING_JWT_KEY$"):
        config(FLASK_SIGNALING=json.dumps({"JWT_KEY": KEY}))


@pytest.mark.parametrize("variable", ["FLASK_SIGNALING_JWT_KEY", "FLASK_SIGNALING_JWT__KEY", "FLASK_SIGNALING_OPEN"])
def test_a_protection_that_flask_never_reads_ends_the_start(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "true")
    with pytest.raises(SettingsError, match=rf"^{variable} is not in app\.config: call app\.config\.from_prefixed_env"):
        AppConfig("signaling", Flask("app").config, os.environ)
    # What the app says itself counts.
    app = Flask("app")
    app.config["SIGNALING_JWT_KEY"] = KEY
    app.config["SIGNALING_OPEN"] = False
    if variable != "FLASK_SIGNALING_JWT__KEY":
        AppConfig("signaling", app.config, os.environ)


@pytest.mark.parametrize("name", ["_SIGNALING_CACHE", "signaling_timeout"])
def test_another_odd_name_is_a_warning(name: str, caplog: pytest.LogCaptureFixture):
    AppConfig("signaling", {name: 1}, {})
    assert caplog.messages[0].startswith(f"{name} is not a setting: did you mean SIGNALING_")


def test_what_is_not_ours_is_nobodys_trouble(caplog: pytest.LogCaptureFixture):
    others = {"SUPPORT": {"EMAIL": "a"}, "MY_SIGNALING": {"JWT": 1}, "JWT_KEY": "theirs", "": {"X": 1}, "DICT": {1: 2}}
    AppConfig("signaling", others, {})
    AppConfig("support", others, {})
    assert caplog.messages == []


@pytest.mark.parametrize("text", [DIGITS, "1e5" + "0" * 30, f"{DIGITS}.50", "1" * 400 + ".0"])
def test_a_key_of_digits_is_the_text_of_the_environment(config, text: str):
    """Flask reads a number in it."""
    assert config(FLASK_SIGNALING_JWT_KEY=text).settings.jwt_key == text


def test_the_prefix_of_the_environment_may_be_any(config):
    assert config(prefix="SHOP", SHOP_SIGNALING_JWT_KEY=DIGITS).settings.jwt_key == DIGITS
    named = config("support", FLASK_SUPPORT_SIGNALING_JWT_KEY=DIGITS[::-1])
    assert named.settings.jwt_key == DIGITS[::-1]


@pytest.mark.parametrize("text", ["0" * 32, KEY, json.dumps(DIGITS), json.dumps(KEY)])
def test_what_flask_leaves_as_text_is_taken_as_flask_has_it(config, text: str):
    assert config(FLASK_SIGNALING_JWT_KEY=text).settings.jwt_key == text.strip('"')


@pytest.mark.parametrize(
    ("text", "kind"), [("true", "true or false"), ("null", "null"), ("[1]", "a list"), ("false", "true or false")]
)
def test_what_is_no_text_is_one_line_that_says_to_quote_it(config, text: str, kind: str):
    line = f"SIGNALING_REDIS_PREFIX: the value is {kind}, not text; write it in quotes, such as FLASK_SIGNALING_REDIS_P"
    with pytest.raises(SettingsError) as error:
        config(FLASK_SIGNALING_REDIS_PREFIX=text)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
    assert config(FLASK_SIGNALING_REDIS_PREFIX=json.dumps("true")).settings.redis_prefix == "true"


def test_a_number_whose_text_nobody_knows_is_an_error():
    with pytest.raises(SettingsError, match="SIGNALING_JWT_KEY: the value is a number, not text") as error:
        AppConfig("signaling", {"SIGNALING_JWT_KEY": int(DIGITS)}, {"SIGNALING_JWT_AUDIENCE": "other"})
    assert DIGITS not in str(error.value)


def test_other_types_are_those_of_json(config):
    read = config(
        FLASK_SIGNALING_MAX_CONNECTIONS="5",
        FLASK_SIGNALING_OPEN="true",
        FLASK_SIGNALING_STUN_URLS='["stun:a.example", "stun:b.example"]',
    )
    assert (read.settings.max_connections, read.own.open, len(read.settings.stun_urls)) == (5, True, 2)


def late(name: str = "signaling", before: dict | None = None, environ: dict | None = None, **config: object):
    """What an instance finds of what came after it had read the config."""
    values = dict(before or {})
    read = AppConfig(name, values, environ or {})
    values |= config
    return read.written_later(values)


@pytest.mark.parametrize(
    "name",
    [
        *("SIGNALING_JWT_KEY", "SIGNALING_ALLOWED_ORIGINS", "SIGNALING_TRUSTED_PROXIES", "SIGNALING_OPEN"),
        *("SIGNALING_JWT_KEYS", "SIGNALING_OPS_TOKEN", "SIGNALING_ALLOW_MISSING_ORIGIN", "_SIGNALING_JWT_KEY"),
    ],
)
def test_a_protection_that_comes_late_is_found(name: str):
    value = {"SIGNALING_OPEN": True, "SIGNALING_ALLOW_MISSING_ORIGIN": False}.get(name, KEY)
    assert late(**{name: value}) == ([name], [])


def test_a_nested_protection_that_comes_late_is_found():
    assert late(SIGNALING={"JWT_KEY": KEY}) == (["SIGNALING__JWT_KEY"], [])


def test_another_setting_that_comes_late_is_found():
    assert late(SIGNALING_MAX_CONNECTIONS=5, SIGNALING_URL_PREFIX="/late", OTHER=1) == (
        [],
        ["SIGNALING_MAX_CONNECTIONS", "SIGNALING_URL_PREFIX"],
    )


def test_a_list_that_grows_is_found():
    origins = ["https://a.example"]
    values = {"SIGNALING_ALLOWED_ORIGINS": origins}
    read = AppConfig("signaling", values, {})
    origins.append("https://b.example")
    assert read.written_later(values) == (["SIGNALING_ALLOWED_ORIGINS"], [])


def test_a_protection_that_is_taken_away_is_found():
    values = {"SIGNALING_JWT_KEY": KEY}
    read = AppConfig("signaling", values, {})
    del values["SIGNALING_JWT_KEY"]
    assert read.written_later(values) == (["SIGNALING_JWT_KEY"], [])


def test_what_changes_nothing_is_nobodys_trouble():
    before = {"SIGNALING_JWT_KEY": KEY}
    environ = {"SIGNALING_MAX_CONNECTIONS": "5", "SIGNALING_ALLOWED_ORIGINS": "https://a.example https://b.example"}
    again = {
        "SIGNALING_JWT_KEY": KEY,
        "SIGNALING_OPEN": False,
        "SIGNALING_MAX_CONNECTIONS": 5,
        "SIGNALING_ALLOWED_ORIGINS": ["https://a.example", "https://b.example"],
        "SUPPORT_SIGNALING_JWT_KEY": "another one's",
    }
    assert late(before=before, environ=environ, **again) == ([], [])


def test_a_named_instance_looks_after_both_prefixes():
    assert late("support", SIGNALING_JWT_KEY=KEY) == (["SIGNALING_JWT_KEY"], [])
    assert late("support", SUPPORT_SIGNALING_JWT_KEY=KEY) == (["SUPPORT_SIGNALING_JWT_KEY"], [])
    own = {"SUPPORT_SIGNALING_JWT_KEY": KEY}
    assert late("support", before=own, SIGNALING_JWT_KEY="for the others only, not for this") == ([], [])
