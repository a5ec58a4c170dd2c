"""Which names of variables end the start, and which are a warning."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from signaling.config.app_config import AppConfig
from signaling.config.env import RENAMED, SettingsError, is_secret
from signaling.config.names import FIELDS, SECURITY_WORDS, check_names, is_own, is_security, misspelled, nearest
from signaling.config.settings import Settings

MEANT_FOR_SECURITY = {
    "SIGNALING_JWT_KEYS": "SIGNALING_JWT_KEY",
    "SIGNALING_TOKEN_KEY": "SIGNALING_TURN_SECRET",
    "SIGNALING_ALOWED_ORIGINS": "SIGNALING_ALLOWED_ORIGINS",
    "SIGNALING_OPS_PASSWORD": "SIGNALING_OPS_TOKEN",
    "SIGNALING_TLS_CERTIFICATE": "SIGNALING_TLS_CERT",
    "SIGNALING_TRUSTED_PROXY": "SIGNALING_TRUSTED_PROXIES",
    "SIGNALING_BND": "SIGNALING_BIND",
    "SIGNALING_BIMD": "SIGNALING_BIND",
    "SIGNALING_OPENS": "SIGNALING_OPEN",
    "SIGNALING_REDIS_URI": "SIGNALING_REDIS_URL",
    "SIGNALING_CONNECTIONS_PER_IPS": "SIGNALING_CONNECTIONS_PER_IP",
    "signaling_jwt_key": "SIGNALING_JWT_KEY",
    "SIGNALING__JWT_KEY": "SIGNALING_JWT_KEY",
    "_SIGNALING_BIND": "SIGNALING_BIND",
}


@pytest.mark.parametrize("name", MEANT_FOR_SECURITY)
def test_a_name_that_is_meant_for_security_ends_the_start_with_the_nearest_name(name: str):
    with pytest.raises(SettingsError) as error:
        check_names({"PATH": "/bin", name: "x"})
    sentence, _, known = str(error.value).partition("; write ")
    assert sentence == f"{name} is not a setting"
    assert known in FIELDS


@pytest.mark.parametrize("name", ["BND", "OPENS", "REDIS_URI", "TRUSTED_PROXY", "ALOWED_ORIGINS"])
def test_the_nearest_name_is_the_one_that_was_meant(name: str):
    with pytest.raises(SettingsError, match=rf"write {MEANT_FOR_SECURITY[f'SIGNALING_{name}']}$"):
        check_names({f"SIGNALING_{name}": "x"})


@pytest.mark.parametrize(
    "name",
    [
        *("SIGNALING_PING_INTERVALL", "SIGNALING_DEBUG", "SIGNALING_X", "JWT_KEY", "AUTH"),
        # Names that a container has for itself. They look a little like SIGNALING_OPEN.
        *("SIGNALING_ENV", "SIGNALING_OPS", "SIGNALING_VERSION"),
    ],
)
def test_another_name_does_not_end_it(name: str):
    check_names({name: "x"})


def test_every_secret_is_a_security_setting():
    assert all(is_security(name) for name, field in FIELDS.items() if is_secret(field))
    assert all(any(word in name for name in FIELDS) for word in set(SECURITY_WORDS) - {"AUTH", "BARRED"})


def test_the_variables_that_are_ours():
    ours = {"PORT": "1", "WEB_CONCURRENCY": "2", "SIGNALING_BIND": "", "SIGNALING_UNKNOWN": "x"}
    others = {
        "PATH": "/bin",
        "SIGNALING_SERVICE_HOST": "10.0.0.1",
        "SIGNALING_PORT": "tcp://10.0.0.1:1",
        "GUNICORN": "",
    }
    assert [name for name, value in {**ours, **others}.items() if is_own(name, value)] == [*ours]


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> str:
    """An old name of SIGNALING_BIND."""
    monkeypatch.setitem(RENAMED, "SIGNALING_ADDRESS", "SIGNALING_BIND")
    return "SIGNALING_ADDRESS"


def test_every_old_name_leads_to_a_setting():
    assert set(RENAMED.values()) <= FIELDS.keys()
    assert not RENAMED.keys() & FIELDS.keys()


def test_an_old_name_works(old: str):
    assert Settings.load({old: "127.0.0.1"}).bind == "127.0.0.1"
    assert Settings.load({old: "127.0.0.1", "SIGNALING_BIND": "127.0.0.1"}).bind == "127.0.0.1"
    check_names({old: "127.0.0.1"})
    assert misspelled({old: "127.0.0.1"}) == []


def test_an_old_and_a_new_name_with_different_values_end_the_start(old: str):
    words = "SIGNALING_ADDRESS is the old name of SIGNALING_BIND, and both have different values; remove SIGNALING_ADD"
    for values in ({old: "::1", "SIGNALING_BIND": "127.0.0.1"}, {"SIGNALING_BIND": "", old: "::1"}):
        with pytest.raises(SettingsError, match=words):
            Settings.load(values)


def test_a_wrong_value_under_an_old_name_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RENAMED, "SIGNALING_HEARTBEAT", "SIGNALING_PING_INTERVAL")
    with pytest.raises(SettingsError, match=r"^SIGNALING_PING_INTERVAL: 'x' is not usable"):
        Settings.load({"SIGNALING_HEARTBEAT": "x"})


@pytest.mark.parametrize("place", ["config", "environ"])
def test_an_app_is_warned_of_an_old_name(old: str, place: str, caplog: pytest.LogCaptureFixture):
    values = {old: "127.0.0.1"}
    config, environ = (values, {}) if place == "config" else ({}, values)
    read = AppConfig("signaling", config, environ)
    assert read.settings.bind == "127.0.0.1"
    assert caplog.messages == ["SIGNALING_ADDRESS is the old name of SIGNALING_BIND: write the new one"]
    source = {"config": "app.config", "environ": "environment"}[place]
    assert read.source("SIGNALING_BIND", config) == ("SIGNALING_BIND", source)
    assert read.written_later(config) == ([], [])
    assert values == {old: "127.0.0.1"}


def test_flask_may_read_an_old_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RENAMED, "SIGNALING_TOKEN_KEY", "SIGNALING_JWT_KEY")
    key = "12345678901234567890123456789012"
    app = Flask("app")
    monkeypatch.setenv("FLASK_SIGNALING_TOKEN_KEY", key)
    app.config.from_prefixed_env()
    assert AppConfig("signaling", app.config, os.environ).settings.jwt_key == key


def test_a_named_instance_has_old_names_too(old: str, caplog: pytest.LogCaptureFixture):
    read = AppConfig("support", {f"SUPPORT_{old}": "::1"}, {old: "127.0.0.1"})
    assert read.settings.bind == "::1"
    # The default instance warns of its own names.
    assert caplog.messages == ["SUPPORT_SIGNALING_ADDRESS is the old name of SUPPORT_SIGNALING_BIND: write the new one"]


def test_the_app_config_comes_before_an_old_name_in_the_environment(old: str):
    assert AppConfig("signaling", {"SIGNALING_BIND": "::1"}, {old: "127.0.0.1"}).settings.bind == "::1"


@pytest.mark.parametrize("name", [name for name in MEANT_FOR_SECURITY if name != "SIGNALING_TOKEN_KEY"])
def test_an_app_is_ended_by_the_same_names_as_the_service(name: str):
    for config, environ in (({}, {name: "x"}), ({name: "x"}, {})):
        with pytest.raises(SettingsError, match=f"^{name} is not a setting; write SIGNALING_"):
            AppConfig("signaling", config, environ)


def test_a_wrong_form_of_another_name_in_the_environment_is_one_warning(caplog: pytest.LogCaptureFixture):
    AppConfig("signaling", {}, {"SIGNALING_MAX__MESSAGES": "1", "signaling_ping_intervall": "1"})
    assert [line.partition(" is not")[0] for line in caplog.messages] == [
        "signaling_ping_intervall",
        "SIGNALING_MAX__MESSAGES",
    ]


@pytest.mark.parametrize("name", ["SIGNALING_ENV", "SIGNALING_VERSION", "SIGNALING_DOMAIN", "SIGNALING_WORKERS"])
def test_no_hint_says_to_let_everybody_in(name: str):
    assert nearest(name) != "SIGNALING_OPEN"
    assert nearest("SIGNALING_OPNE") == "SIGNALING_OPEN"
