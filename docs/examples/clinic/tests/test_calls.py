"""The rules of calls, the waiting room, and the durations."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from flask import Flask
from signaling import Call, call_ended
from signaling.testing import SignalingClient

from clinic.models import Consultation, User, db

from .conftest import Browse, MakeApp, Users

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


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a call end at once when one of the two is gone."""
    monkeypatch.setenv("SIGNALING_CALL_GRACE", "0")


@pytest.mark.usefixtures("no_grace")
def test_a_patient_who_stays_when_the_doctor_leaves_waits_again(browse: Browse, connect: Connect, ids: Ids) -> None:
    with connect("ada") as ada:
        ada.join(ids["grace"])
        for _ in range(2):
            with connect("grace") as grace:
                grace.join(ids["ada"])
                assert "is waiting for you" not in browse("grace").get("/").text
            assert "Join Ada Lovelace" in " ".join(browse("grace").get("/").text.split())
            assert "is waiting for you" not in browse("ada").get("/").text


def test_the_pages_work_while_the_service_beside_the_app_is_away(make_app: MakeApp) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        app = make_app(SIGNALING_SERVICE_URL=url, SIGNALING_SERVICE_SECRET="a secret of the tests, of 32 bytes")
        with app.app_context():
            ada = app.test_client(user=db.session.scalar(db.select(User).filter_by(login="ada")))
        assert "Dr. Grace Hopper" in ada.get("/").text
        for _ in range(2):
            assert ada.post("/logout").headers["Location"] == "/login"
        assert ada.get("/").status_code == 302


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
