"""What a client shows of itself in `Authorization`, whatever it writes there."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.security.credentials import basic_password, bearer_token


@given(st.text(max_size=40))
def test_no_header_raises(header: str):
    for value in (header, f"Basic {header}", f"Bearer {header}"):
        assert isinstance(bearer_token(value), str | None)
        assert isinstance(basic_password(value), bytes | None)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc= ", "abc="),
        ("Bearer a b", "a b"),
        ("Basic abc", None),
        ("", None),
        ("x", None),
    ],
)
def test_a_bearer_token_is_what_stands_behind_the_scheme(header: str, token: str | None):
    assert bearer_token(header) == token


@given(st.binary(max_size=20).filter(lambda user: b":" not in user), st.binary(max_size=20))
def test_a_password_may_be_any_bytes(user: bytes, password: bytes):
    assert basic_password("Basic " + b64encode(user + b":" + password).decode()) == password


@pytest.mark.parametrize("header", ["Basic", "Basic é", "Basic YQ==", "Basic YTpi!", "Digest a=b", "Bearer YTpi"])
def test_what_is_no_password_is_none(header: str):
    assert basic_password(header) is None
