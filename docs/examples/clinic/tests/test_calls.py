"""The rules of calls, the waiting room, and the durations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from signaling import Call, call_ended, call_waiting
from signaling.testing import SignalingClient

from clinic.calls import forget_waits
from clinic.models import Consultation, db

from .conftest import Browse, Users

Ids = dict[str, str]
Connect = Callable[[str], SignalingClient]


@pytest.fixture
def connect(app: Flask, browse: Browse) -> Connect:
    return lambda login: SignalingClient(app, browse(login))


@pytest.fixture
def ids(users: Users) -> Ids:
    return {login: user.get_id() for login, user in users.items()}


def test_the_two_of_the_appointment_meet(connect: Connect, ids: Ids) -> None:
    with connect("ada") as ada, connect("grace") as grace:
        assert ada.join(ids["grace"])["type"] == "created"
        assert grace.join(ids["ada"])["type"] == "joined"
        assert ada.receive("ready")


@pytest.mark.parametrize("peer", ["1", "2", "nobody", "-1", "1" * 100, "²"])
def test_a_stranger_is_refused(connect: Connect, peer: str) -> None:
    with connect("eve") as eve:
        assert eve.join(peer)["code"] == "unauthorized"
        assert eve.close_code == 4003


def test_nobody_joins_as_somebody_else(connect: Connect, ids: Ids) -> None:
    with connect("eve") as eve:
        assert eve.join(ids["grace"], user=ids["ada"])["code"] == "unauthorized"
        assert eve.close_code == 4003


def test_nobody_joins_without_a_login(app: Flask, ids: Ids) -> None:
    with SignalingClient(app) as stranger:
        assert stranger.join(ids["grace"], user=ids["ada"])["code"] == "unauthorized"


def test_the_doctor_sees_that_the_patient_waits(browse: Browse, connect: Connect, ids: Ids) -> None:
    with connect("ada") as ada:
        ada.join(ids["grace"])
        assert "Ada Lovelace is waiting for you." in browse("grace").get("/").text
        assert "is waiting for you" not in browse("ada").get("/").text
        with connect("grace") as grace:
            grace.join(ids["ada"])
            assert "is waiting for you" not in browse("grace").get("/").text


@pytest.mark.parametrize("code", [1000, 1006])
def test_a_patient_who_leaves_waits_no_longer(browse: Browse, connect: Connect, ids: Ids, code: int) -> None:
    with connect("ada") as ada:
        ada.join(ids["grace"])
        ada.disconnect(code)
        assert "is waiting for you" not in browse("grace").get("/").text


def test_a_wait_from_before_a_crash_is_forgotten(app: Flask, browse: Browse, connect: Connect, ids: Ids) -> None:
    def seen_after_a_start() -> bool:
        with app.app_context():
            forget_waits()
        return "is waiting for you" in browse("grace").get("/").text

    with connect("ada") as ada:
        ada.join(ids["grace"])
        assert seen_after_a_start()
    with app.app_context():
        call_waiting.send(app, user=ids["ada"], peer=ids["grace"])
    assert not seen_after_a_start()


def test_a_call_is_stored_once(app: Flask, browse: Browse, connect: Connect, ids: Ids) -> None:
    for number in (1, 2):
        with connect("ada") as ada, connect("grace") as grace:
            ada.join(ids["grace"])
            grace.join(ids["ada"])
            assert ada.receive("ready")
        with app.app_context():
            assert len(db.session.scalars(db.select(Consultation)).all()) == number
    assert "You have talked for" in browse("ada").get("/").text


def test_a_call_that_is_told_twice_is_stored_once(app: Flask, browse: Browse, ids: Ids) -> None:
    users = (ids["grace"], ids["ada"])
    call = Call(id="c1", users=users, started_at=1_000.0, ended_at=1_065.0, reason="left")
    with app.app_context():
        for _ in range(2):
            call_ended.send(app, call=call)
    assert "You have talked for 1:05 minutes." in browse("grace").get("/").text


def test_a_logout_ends_the_call_and_bars_the_way_back(app: Flask, browse: Browse, connect: Connect, ids: Ids) -> None:
    tab = browse("ada")
    with connect("ada") as ada, connect("grace") as grace:
        ada.join(ids["grace"])
        grace.join(ids["ada"])
        for _ in range(2):
            assert tab.post("/logout").status_code == 302
        assert ada.close_code == 4004
        assert grace.receive("bye")["reason"] == "left"
        with connect("ada") as again:
            assert again.join(ids["grace"])["code"] == "unauthorized"
    assert tab.get("/").status_code == 302
