from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.config.env import SettingsError, is_secret, variable_name, web_concurrency
from signaling.config.fallbacks import Fallbacks
from signaling.config.names import misspelled
from signaling.config.redis_url import Servers
from signaling.config.settings import Settings


def test_the_defaults_need_no_environment():
    settings = Settings.load({})
    assert (settings.port, settings.max_message_bytes, settings.send_buffer_bytes) == (8443, 65_536, 1_048_576)
    assert (settings.ping_interval, settings.ping_timeout, settings.max_connections) == (25, 20, 10_000)


def test_text_and_values_of_a_flask_config_are_both_read():
    settings = Settings.load({"PORT": "9000", "SIGNALING_PING_INTERVAL": "2.5", "SIGNALING_MAX_CONNECTIONS": 7})
    assert (settings.port, settings.ping_interval, settings.max_connections) == (9000, 2.5, 7)


@pytest.mark.parametrize(
    "text", ["stun:a stun:b:1", "stun:a,stun:b:1", " stun:a ,\n stun:b:1, ", ["stun:a", "stun:b:1"]]
)
def test_a_list_has_commas_or_spaces_between(text):
    assert Settings.load({"SIGNALING_STUN_URLS": text}).stun_urls == ("stun:a", "stun:b:1")


@pytest.mark.parametrize("empty", ["", " ", ",", []])
def test_a_list_may_be_empty(empty):
    assert Settings.load({"SIGNALING_STUN_URLS": empty}).stun_urls == ()


@pytest.mark.parametrize(
    "url",
    [
        "turn:turn.example.org",
        "turns:turn.example.org:5349",
        "turn:192.0.2.1:65535?transport=udp",
        "turns:[2001:db8::1]:443?transport=tcp",
    ],
)
def test_turn_urls_as_in_rfc_7065(url):
    assert Settings.load({"SIGNALING_TURN_URLS": url, "SIGNALING_TURN_SECRET": "north"}).turn_urls == (url,)


@pytest.mark.parametrize(
    "url",
    [
        "turn.example.org",
        "turn://turn.example.org",
        "turn:",
        "turn:turn.example.org:",
        "turn:turn.example.org:0",
        "turn:turn.example.org:65536",
        "turn:2001:db8::1",
        "turn:turn.example.org/relay",
        "turn:user@turn.example.org",
        "turn:turn.example.org?transport=sctp",
        "TURN:turn.example.org",
        "stun:stun.example.org",
        "turn:turn.example.org\n",
        "turn:a https://b",
    ],
)
def test_what_is_no_turn_url_is_refused(url):
    """Browsers make no connection at all when one URL is none."""
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_TURN_URLS": [url], "SIGNALING_TURN_SECRET": "north"})
    assert str(error.value) == (
        f"SIGNALING_TURN_URLS: {url!r} is not usable; write TURN URIs (RFC 7065) "
        "such as turn:turn.example.org:3478?transport=udp, or leave it empty"
    )


def test_stun_urls_have_no_transport():
    """RFC 7064 knows none, and Chromium refuses it."""
    with pytest.raises(SettingsError, match=r"such as stun:stun\.example\.org:3478"):
        Settings.load({"SIGNALING_STUN_URLS": "stun:stun.example.org?transport=udp"})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"SIGNALING_TURN_URLS": "turn:a"}, "SIGNALING_TURN_SECRET"),
        ({"SIGNALING_TURN_SECRET": "north"}, "SIGNALING_TURN_URLS"),
    ],
)
def test_turn_needs_urls_and_a_secret(given, missing):
    with pytest.raises(SettingsError) as error:
        Settings.load(given)
    assert str(error.value) == (f"{missing} is not set: TURN needs both SIGNALING_TURN_URLS and SIGNALING_TURN_SECRET")


@pytest.mark.parametrize("url", ["", "redis://localhost", "redis+cluster://localhost"])
def test_a_password_of_sentinels_needs_sentinels(url):
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_REDIS_URL": url, "SIGNALING_REDIS_SENTINEL_PASSWORD": "hush"})
    assert str(error.value) == ("SIGNALING_REDIS_SENTINEL_PASSWORD is set, but SIGNALING_REDIS_URL names no Sentinels")


def test_a_secret_is_never_shown():
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_TURN_SECRET": 20_261_122})
    assert str(error.value) == "SIGNALING_TURN_SECRET: the value is not usable; write text"
    settings = Settings.load({"SIGNALING_TURN_URLS": "turn:a", "SIGNALING_TURN_SECRET": "north"})
    assert "turn_urls=('turn:a',)" in repr(settings)
    assert "north" not in f"{settings} {settings!r}"


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings.load({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "70000", "a whole number from 0 to 65535 (default 8443)"),
        ("PORT", "", "a whole number from 0 to 65535 (default 8443)"),
        ("SIGNALING_MAX_MESSAGE_BYTES", "1.5", "a whole number from 1024 to 16777216 (default 65536)"),
        ("SIGNALING_PING_TIMEOUT", "nan", "a number from 0.01 to 86400 (default 20.0)"),
        ("SIGNALING_PING_TIMEOUT", "-1", "a number from 0.01 to 86400 (default 20.0)"),
        ("SIGNALING_LOG_LEVEL", "loud", "one of debug, error, info, warning (default 'info')"),
        ("SIGNALING_BIND", 5, "text, or leave it empty"),
        (
            "SIGNALING_REDIS_PREFIX",
            "a b",
            "1 to 64 letters, digits or any of _.:- such as signaling (default 'signaling')",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name, value, expected):
    with pytest.raises(SettingsError) as error:
        Settings.load({name: value})
    assert str(error.value) == f"{name}: {value!r} is not usable; write {expected}"


@pytest.mark.parametrize("value", ["app.example.org", "https://a.example.org, app.example.org"])
def test_an_origin_without_a_scheme_is_named_with_one(value):
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_ALLOWED_ORIGINS": value})
    assert str(error.value) == (
        "SIGNALING_ALLOWED_ORIGINS: 'app.example.org' has no scheme; write https://app.example.org"
    )


def test_the_url_of_the_webhook_without_a_scheme_is_named_with_one():
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_WEBHOOK_URL": "app.example.org/hook"})
    assert str(error.value) == (
        "SIGNALING_WEBHOOK_URL: 'app.example.org/hook' has no scheme; write https://app.example.org/hook"
    )


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


OF_KUBERNETES = {
    "SIGNALING_SERVICE_HOST": "10.96.0.7",
    "SIGNALING_SERVICE_PORT": "8443",
    "SIGNALING_SERVICE_PORT_HTTPS": "8443",
    "SIGNALING_PORT": "tcp://10.96.0.7:8443",
    "SIGNALING_PORT_8443_TCP": "tcp://10.96.0.7:8443",
    "SIGNALING_PORT_8443_TCP_PROTO": "tcp",
    "SIGNALING_PORT_8443_TCP_PORT": "8443",
    "SIGNALING_PORT_8443_TCP_ADDR": "10.96.0.7",
    "SIGNALING_PORT_3478_UDP": "udp://10.96.0.7:3478",
    "SIGNALING_REDIS_SERVICE_HOST": "10.96.0.8",
    "SIGNALING_REDIS_PORT": "tcp://10.96.0.8:6379",
    "SIGNALING_REDIS_PORT_6379_TCP_ADDR": "10.96.0.8",
}


def test_what_kubernetes_sets_for_a_service_of_that_name_is_no_setting_and_no_mistake():
    assert misspelled(OF_KUBERNETES) == []
    assert Settings.load(OF_KUBERNETES) == Settings()
    mistakes = {"SIGNALING_PORT": "9000", "SIGNALING_PORTS": "tcp://x", "SIGNALING_SERVICE": "x"}
    assert [name for name, _ in misspelled(mistakes)] == list(mistakes)


FIELDS = {variable_name(field.name): field for field in msgspec.structs.fields(Settings)}
ODD = [
    "",
    " ",
    "\n",
    "\u202e",
    "\udcff",
    "0",
    "-1",
    "1e999",
    "nan",
    "9" * 5_000,
    "x" * 100_000,
    "\u0663",
    "[",
    "://",
    "a..b",
    "%",
    "@",
]


def loads_or_says_why(environ: dict[str, str]) -> None:
    try:
        Settings.load(environ)
    except SettingsError as error:
        line = str(error)
        assert line.isprintable()
        assert len(line) < 1_000
        assert any(name in line for name in environ)


@pytest.mark.parametrize("name", FIELDS)
def test_an_odd_value_of_any_setting_is_taken_or_named_in_one_line(name: str):
    for odd in ODD:
        loads_or_says_why({name: odd})


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.one_of(st.sampled_from(ODD), st.text()), min_size=1))
def test_odd_values_of_many_settings(environ: dict[str, str]):
    try:
        Settings.load(environ)
    except SettingsError as error:
        told = str(error)
    else:
        told = ""
    assert told.isprintable()


@given(
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["redis", "rediss", "unix", "redis+sentinel", "redis+cluster"]),
        st.sampled_from(["", ":hunter2@", "user:hunter2@"]),
        st.text(),
        st.sampled_from(["", "/0", "/master/1"]),
    )
)
def test_a_url_of_redis_is_taken_or_refused_without_its_password(url: str):
    try:
        Servers.of(url)
    except ValueError as error:
        told = str(error)
    else:
        told = ""
    assert "hunter2" not in told


@pytest.mark.parametrize("host", ["a..b", ".a", "-a", "a-", "a" * 64, "a b", "a_b..", "*", "\u00e4", "a\tb.c/x y"])
def test_a_host_that_is_none(host: str):
    with pytest.raises(SettingsError, match="SIGNALING_REDIS_URL: the value is not usable; "):
        Settings(redis_url=f"redis+cluster://ok,{host}:1")


@pytest.mark.parametrize("host", ["a", "a.b", "a.b.", "redis_1", "10.0.0.1", "[::1]", "xn--4ca", "1a"])
def test_a_host_that_is_one(host: str):
    assert Settings(redis_url=f"redis://{host}:1")


@pytest.mark.parametrize("value", ["", " ", "auto", "2.0", "0", "-1", "+1", " 2", "\u0662", "1" * 9_999, "1001", "0x2"])
def test_what_is_no_number_of_workers(value: str):
    with pytest.raises(SettingsError, match=r"WEB_CONCURRENCY: .* is not usable; write a whole number from 1 to 1000"):
        web_concurrency({"WEB_CONCURRENCY": value})


def test_a_number_of_workers():
    assert [web_concurrency(environ) for environ in ({}, {"WEB_CONCURRENCY": "1"}, {"WEB_CONCURRENCY": "64"})] == [
        None,
        1,
        64,
    ]


OTHER = "the other value of thirty-two bytes or more"
WITH_FIRST = {
    "SIGNALING_JWT_KEY": "x" * 32,
    "SIGNALING_RESUME_SECRET": "x" * 32,
    "SIGNALING_METRICS_TOKEN": "x",
    "SIGNALING_OPS_TOKEN": "x",
    "SIGNALING_API_TOKEN": "x",
    "SIGNALING_SERVICE_SECRET": "x" * 32,
    "SIGNALING_WEBHOOK_SECRET": "x",
    "SIGNALING_WEBHOOK_URL": "https://app.example.org/signaling",
    "SIGNALING_REDIS_URL": "redis+sentinel://:x@redis.example.org/master",
    "SIGNALING_REDIS_SENTINEL_PASSWORD": "x",
}
SECONDS = [variable_name(field) for field in Fallbacks.__struct_fields__]


def test_every_secret_that_the_server_verifies_or_signs_with_has_a_second_value():
    """A TURN server verifies, and knows two secrets itself. The URL of Redis holds a password, which has a second."""
    secrets = {name for name, field in FIELDS.items() if is_secret(field)}
    # The salt of hashes neither signs nor verifies.
    without = {"SIGNALING_TURN_SECRET", "SIGNALING_REDIS_URL", "SIGNALING_PRIVACY_SALT"}
    assert {f"{name}_FALLBACK" for name in secrets - without - set(SECONDS)} | {
        "SIGNALING_REDIS_PASSWORD_FALLBACK"
    } == set(SECONDS)
    assert set(SECONDS) <= secrets


@pytest.mark.parametrize("second", SECONDS)
def test_a_second_value_of_a_secret_is_another_one_than_the_first(second: str):
    settings = Settings.load(WITH_FIRST | {second: OTHER})
    assert OTHER not in repr(settings)
    first = second.removesuffix("_FALLBACK")
    is_redis = first == "SIGNALING_REDIS_PASSWORD"
    same = "x" if is_redis else WITH_FIRST[first]
    with pytest.raises(SettingsError, match=f"{second} is the same as .*; write the other value, or leave it empty"):
        Settings.load(WITH_FIRST | {second: same})
    alone = {"SIGNALING_REDIS_URL": "redis://redis.example.org"} if is_redis else {}
    with pytest.raises(SettingsError, match=f"{second} is set, but .* is not; write there the value that is used"):
        Settings.load({**alone, second: OTHER})


@pytest.mark.parametrize("name", ["SIGNALING_SERVICE_SECRET", "SIGNALING_RESUME_SECRET"])
def test_a_second_value_is_as_long_as_the_first(name: str):
    with pytest.raises(SettingsError, match=f"{name}_FALLBACK: the value is not usable; write 32 bytes or more"):
        Settings.load(WITH_FIRST | {f"{name}_FALLBACK": "short"})


def test_the_second_secret_of_the_service_stands_for_second_values_where_the_first_one_does():
    first, second = {"SIGNALING_SERVICE_SECRET": "x" * 32}, {"SIGNALING_SERVICE_SECRET_FALLBACK": OTHER}
    webhook = {"SIGNALING_WEBHOOK_URL": "https://app.example.org/signaling"}
    both, other = Settings.load(first | second | webhook), Settings.load({"SIGNALING_SERVICE_SECRET": OTHER} | webhook)
    assert (both.api_token_fallback, both.jwt_key_fallback) == (other.api_token, other.jwt_key)
    assert both.webhook_secret_fallback == other.webhook_secret
    own = Settings.load(first | second | {"SIGNALING_API_TOKEN": "own"})
    assert (own.api_token, own.api_token_fallback) == ("own", "")
    assert own.jwt_key_fallback == other.jwt_key
