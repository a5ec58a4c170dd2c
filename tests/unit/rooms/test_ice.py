"""What a client is told of STUN and TURN servers."""

from __future__ import annotations

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from signaling.config.settings import Settings
from signaling.rooms.ice import ice_servers

NOW = 1_700_000_000.9
TURN = ("turn:turn.example.org?transport=udp", "turns:turn.example.org:443?transport=tcp")


def test_nothing_set_is_no_server():
    assert ice_servers(Settings(), "9f4a09cef83fc9c4", NOW) == []


def test_stun_needs_no_credentials():
    settings = Settings(stun_urls=("stun:stun.example.org",))
    assert ice_servers(settings, "9f4a09cef83fc9c4", NOW) == [{"urls": ("stun:stun.example.org",)}]


def test_turn_has_the_credentials_that_openssl_makes():
    """`printf 1700086400:9f4a09cef83fc9c4 | openssl dgst -sha1 -hmac north -binary | base64`."""
    settings = Settings(stun_urls=("stun:stun.example.org",), turn_urls=TURN, turn_secret="north", turn_ttl=86_400)
    assert ice_servers(settings, "9f4a09cef83fc9c4", NOW) == [
        {"urls": ("stun:stun.example.org",)},
        {"urls": TURN, "username": "1700086400:9f4a09cef83fc9c4", "credential": "RoAJbfiW3eDcoXrzvCfkNaAqeGo="},
    ]


@given(secret=st.text(min_size=1), user=st.text(), ttl=st.floats(1, 86_400), now=st.floats(0, 2**33))
def test_the_credential_is_the_hmac_of_rfc_2104_and_the_time_is_never_longer_than_what_is_set(secret, user, ttl, now):
    settings = Settings(turn_urls=TURN, turn_secret=secret, turn_ttl=ttl)
    [server] = ice_servers(settings, user, now)
    expiry, _, name = server["username"].partition(":")
    assert name == user
    assert now + ttl - 1 < int(expiry) <= now + ttl
    key = secret.encode()
    key = (key if len(key) <= 64 else hashlib.sha1(key).digest()).ljust(64, b"\0")
    inner = hashlib.sha1(bytes(byte ^ 0x36 for byte in key) + server["username"].encode()).digest()
    outer = hashlib.sha1(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    assert base64.b64decode(server["credential"], validate=True) == outer
