"""Which names of variables end the start, and which are a warning."""

from __future__ import annotations

import pytest

from signaling.config.env import SettingsError, is_secret
from signaling.config.names import FIELDS, SECURITY_WORDS, check_names, is_own, is_security

MEANT_FOR_SECURITY = {
    "SIGNALING_JWT_KEYS": "SIGNALING_JWT_KEY",
    "SIGNALING_TOKEN_KEY": "SIGNALING_TURN_SECRET",
    "SIGNALING_ALOWED_ORIGINS": "SIGNALING_ALLOWED_ORIGINS",
    "SIGNALING_OPS_PASSWORD": "SIGNALING_OPS_TOKEN",
    "SIGNALING_TLS_CERTIFICATE": "SIGNALING_TLS_CERT",
    "SIGNALING_TRUSTED_PROXY": "SIGNALING_TRUSTED_PROXIES",
    "SIGNALING_BND": "SIGNALING_BIND",
    "SIGNALING_OPNE": "SIGNALING_OPEN",
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


@pytest.mark.parametrize("name", ["BND", "OPNE", "REDIS_URI", "TRUSTED_PROXY", "ALOWED_ORIGINS"])
def test_the_nearest_name_is_the_one_that_was_meant(name: str):
    with pytest.raises(SettingsError, match=rf"write {MEANT_FOR_SECURITY[f'SIGNALING_{name}']}$"):
        check_names({f"SIGNALING_{name}": "x"})


@pytest.mark.parametrize("name", ["SIGNALING_PING_INTERVALL", "SIGNALING_DEBUG", "SIGNALING_X", "JWT_KEY", "AUTH"])
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
