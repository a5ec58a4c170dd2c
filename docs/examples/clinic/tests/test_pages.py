"""The pages that each user sees."""

from __future__ import annotations

import pytest
from flask import Flask

from .conftest import Browse


@pytest.mark.parametrize("path", ["/", "/appointments/1/call", "/?list="])
def test_whoever_is_not_logged_in_is_led_to_the_form(app: Flask, path: str) -> None:
    response = app.test_client().get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?")


def test_the_right_password_logs_in_and_a_wrong_one_does_not(app: Flask) -> None:
    browser = app.test_client()
    assert browser.post("/login", data={"login": "ada", "password": "guess"}).status_code == 200
    assert browser.get("/").status_code == 302
    assert browser.post("/login", data={"login": "ada", "password": "demo"}).status_code == 302
    assert browser.get("/").status_code == 200


def test_passwords_can_be_tried_ten_times_a_minute(app: Flask) -> None:
    browser = app.test_client()
    statuses = [browser.post("/login", data={"login": "nobody", "password": "guess"}).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_both_see_their_appointment_and_a_stranger_does_not(browse: Browse) -> None:
    assert "Dr. Grace Hopper" in browse("ada").get("/").text
    assert "Call Ada Lovelace" in " ".join(browse("grace").get("/").text.split())
    assert "You have no appointments." in browse("eve").get("/").text


def test_the_call_is_for_the_two_of_the_appointment(browse: Browse) -> None:
    statuses = {user: browse(user).get("/appointments/1/call").status_code for user in ("ada", "grace", "eve")}
    assert statuses == {"ada": 200, "grace": 200, "eve": 403}


def test_the_policy_allows_the_import_map_by_its_nonce(browse: Browse) -> None:
    response = browse("ada").get("/appointments/1/call")
    nonce = response.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
    assert nonce
    assert f'nonce="{nonce}"' in response.text


def test_without_the_token_of_the_form_nobody_is_logged_out(app: Flask, browse: Browse) -> None:
    browser = browse("ada")
    app.config["WTF_CSRF_ENABLED"] = True
    assert browser.post("/logout").status_code == 400
    assert browser.get("/").status_code == 200


def test_the_limiter_counts_no_modules_of_the_call(browse: Browse) -> None:
    browser = browse("ada")
    for _ in range(130):
        with browser.get("/call/healthz") as response:
            assert response.status_code == 200
    assert [browser.get("/").status_code for _ in range(121)] == [200] * 120 + [429]
