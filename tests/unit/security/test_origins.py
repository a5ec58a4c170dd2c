"""Whose pages may connect."""

from __future__ import annotations

import pytest

from signaling.security.origins import Origins


def allows(origin: str | None, *allowed: str, host: str = "call.example.org", missing: bool = True) -> bool:
    return Origins(allowed, allow_missing=missing).allow(origin, host)


@pytest.mark.parametrize("origin", ["https://app.example.org", "http://elsewhere:81", "null", "nonsense", None])
def test_without_a_list_every_page_may(origin):
    assert allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.org",
        "https://app.example.org:443",
        "https://APP.example.org",
        "https://call.example.org",
        "http://call.example.org",
        "http://localhost:5000",
        "capacitor://localhost",
        "https://a.shop.example",
        "https://a.b.shop.example",
        "http://[2001:db8::1]:8080",
    ],
)
def test_those_on_the_list_and_the_own_may(origin):
    allowed = (
        "https://app.example.org",
        "http://localhost:5000",
        "capacitor://localhost",
        "https://*.shop.example",
        "http://[2001:db8::1]:8080",
    )
    assert allows(origin, *allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org.evil.example",
        "https://evilapp.example.org",
        "https://shop.example",
        "https://evilshop.example",
        "http://a.shop.example",
        "https://a.shop.example:444",
        "https://call.example.org:8443",
        "https://app.example.org@evil.example",
        "null",
        "",
        "https://",
        "https://[",
        "https://app.example.org:99999",
        "https://*.shop.example.evil",
    ],
)
def test_no_other_may(origin):
    assert not allows(origin, "https://app.example.org", "https://*.shop.example")


def test_the_own_origin_has_the_port_that_the_browser_used():
    assert allows("https://call.example.org:8443", "https://a", host="call.example.org:8443")
    assert not allows("https://call.example.org", "https://a", host="call.example.org:8443")


def test_a_client_without_an_origin_is_a_setting_of_its_own():
    assert allows(None, "https://a")
    assert not allows(None, "https://a", missing=False)
    assert not allows(None, missing=False)


def test_a_host_that_is_none_is_nobodys_own():
    assert not allows("https://evil", "https://a", host="evil:x")
