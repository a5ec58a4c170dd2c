"""The names of users in the log and on the operator's page."""

from __future__ import annotations

import hashlib

import pytest

from signaling.config.env import SettingsError
from signaling.config.settings import Settings
from signaling.protocol.messages import Pair
from signaling.telemetry import pseudonyms
from signaling.telemetry.stats import Stats

SALT = "s" * 32


def stats(secret: bytes = b"one", **settings: object) -> Stats:
    return Stats(Settings(**settings), lambda: secret)  # type: ignore[arg-type]


def test_without_a_switch_the_ids_are_the_names():
    assert stats().name("alice") == "alice"
    assert stats().room(Pair("alice", "bob")) == "room_alice_bob"


def test_hashes_without_a_salt_are_those_of_the_ids():
    assert stats(hash_ids=True).name("alice") == hashlib.sha256(b"alice").hexdigest()[:16]


def test_hashes_last_for_a_day_and_only_nodes_with_the_same_secret_have_them(monkeypatch: pytest.MonkeyPatch):
    day = 20_000 * 86_400
    monkeypatch.setattr(pseudonyms.time, "time", lambda: day)
    one = stats(privacy=True)
    name = one.name("alice")
    assert stats(privacy=True).name("alice") == name
    assert stats(b"other", privacy=True).name("alice") != name
    assert one.name("bob") != name
    assert one.room(Pair("alice", "bob")) == f"room_{name}_{one.name('bob')}"
    monkeypatch.setattr(pseudonyms.time, "time", lambda: day + 86_399.9)
    assert one.name("alice") == name
    monkeypatch.setattr(pseudonyms.time, "time", lambda: day + 86_400)
    assert one.name("alice") != name


def test_hashes_with_a_salt_last_as_long_as_it(monkeypatch: pytest.MonkeyPatch):
    name = stats(privacy=True, privacy_salt=SALT, hash_ids=True).name("alice")
    monkeypatch.setattr(pseudonyms.time, "time", lambda: 0.0)
    assert stats(b"other", privacy=True, privacy_salt=SALT).name("alice") == name
    assert stats(privacy=True, privacy_salt="t" * 32).name("alice") != name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"privacy_salt": SALT}, "SIGNALING_PRIVACY_SALT has no effect without SIGNALING_PRIVACY"),
        ({"privacy_salt": "short", "privacy": True}, "SIGNALING_PRIVACY_SALT: the value is not usable"),
    ],
)
def test_a_salt_that_protects_nobody_is_refused(settings: dict[str, object], words: str):
    with pytest.raises(SettingsError, match=words) as error:
        Settings(**settings)  # type: ignore[arg-type]
    assert "short" not in str(error.value)
