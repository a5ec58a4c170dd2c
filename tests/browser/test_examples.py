"""The examples of docs/examples, as their readers start them: two users log in by a form and call each other."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import expect

from tests.beside_example import BesideExample
from tests.driver import ROOT, Server
from tests.waiting import wait_until

CLINIC = ROOT / "docs/examples/clinic"


JOIN = """([userId, remoteId]) => new Promise((resolve) => {
    const replies = [];
    const socket = new WebSocket('/call/ws');
    socket.onopen = () => socket.send(JSON.stringify({ type: 'join', userId, remoteId }));
    socket.onmessage = ({ data }) => replies.push([JSON.parse(data).type, JSON.parse(data).code]);
    socket.onclose = ({ code }) => resolve([...replies, code]);
})"""

ASK_FOR_TOKEN = """async (peer) => {
    const headers = { 'Content-Type': 'application/json' };
    return (await fetch('/signaling/token', { method: 'POST', headers, body: JSON.stringify({ peer }) })).status;
}"""


class Database:
    """The database of the clinic, as a file."""

    def __init__(self, path):
        self.path = path

    def run(self, sql, *values):
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def add_user(self, login, name):
        [[password]] = self.run("SELECT password_hash FROM user WHERE login = 'ada'")
        self.run("INSERT INTO user (login, name, password_hash) VALUES (?, ?, ?)", login, name, password)
        return self.run("SELECT id FROM user WHERE login = ?", login)[0][0]

    def durations(self, appointment):
        return self.run("SELECT seconds FROM consultation WHERE appointment_id = ?", appointment)


@contextmanager
def embedded(folder, certificate):
    """The clinic under its own configuration of gunicorn, over TLS."""
    key = certificate.with_suffix(".key")
    arguments = ("-c", f"{CLINIC}/gunicorn.conf.py", "--bind", "localhost:0", "--certfile", f"{certificate}")
    path = folder / "clinic.db"
    settings = {"FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{path}", "PYTHONPATH": f"{CLINIC}:{ROOT}"}
    where = {"app": "clinic:create_app()", "health": "/call/healthz"}
    with Server(
        certificate, (*arguments, "--keyfile", f"{key}"), SIGNALING_CALL_GRACE=600, **where, **settings
    ) as running:
        running.database = path
        yield running


def beside(folder, certificate):
    """The clinic on four sync workers, with the service beside it behind nginx."""
    return BesideExample(folder, SIGNALING_CALL_GRACE=600)


@pytest.fixture(scope="module", params=[embedded, pytest.param(beside, marks=pytest.mark.long)])
def server(request, tmp_path_factory, certificate):
    with request.param(tmp_path_factory.mktemp("clinic"), certificate) as running:
        yield running


@pytest.fixture
def database(server):
    return Database(server.database)


class Appointment:
    """A doctor and a patient of one test."""

    def __init__(self, database, test):
        self._database = database
        self.doctor, self.patient, self.stranger = (f"{role}-{test}" for role in ("doctor", "patient", "stranger"))
        names = ((self.doctor, "Dr. Grace Hopper"), (self.patient, "Ada Lovelace"), (self.stranger, "Eve Adams"))
        ids = [database.add_user(login, name) for login, name in names]
        self.doctor_id, self.patient_id, _ = ids
        self.intrusion = [ids[2], self.patient_id]
        database.run(
            "INSERT INTO appointment (doctor_id, patient_id, starts_at) VALUES (?, ?, datetime('now'))", *ids[:2]
        )
        [[self.number]] = database.run("SELECT id FROM appointment WHERE doctor_id = ?", ids[0])

    def durations(self):
        return self._database.durations(self.number)


@pytest.fixture
def appointment(database, request):
    return Appointment(database, re.sub(r"\W+", "-", request.node.name)[:60])


@pytest.fixture
def log_in(new_caller):
    def enter(user):
        caller = new_caller()
        caller.page.goto(caller.url)
        caller.page.get_by_label("User name").fill(user)
        caller.page.get_by_label("Password").fill("demo")
        caller.press("Log in")
        expect(caller.page.get_by_role("heading", name="Your appointments")).to_be_visible()
        return caller

    return enter


@pytest.fixture
def doctor(log_in, appointment):
    return log_in(appointment.doctor)


@pytest.fixture
def patient(log_in, appointment):
    return log_in(appointment.patient)


def follow(caller, name):
    caller.page.get_by_role("link", name=re.compile(f"^{name} ")).click()


def talk(patient, doctor):
    """The patient waits, the doctor sees it and joins, and both see each other."""
    follow(patient, "Call")
    patient.reads("Waiting for Dr. Grace Hopper")
    doctor.shows("is waiting for you")
    follow(doctor, "Join")
    for caller in (patient, doctor):
        caller.reads("In a call with")
        caller.sees_live_video()


def hang_up_both(patient, doctor):
    for caller in (patient, doctor):
        caller.reads("In a call with")
    for caller in (patient, doctor):
        caller.hang_up()
        caller.reads("You have hung up")


@pytest.mark.long
@pytest.mark.parametrize("server", [beside], indirect=True)
def test_the_story_of_a_call_beside_the_service(patient, doctor, log_in, appointment, new_caller):
    """Two users talk twice, a third one is refused, and a logout in another tab is the end for good."""
    for calls in (1, 2):
        talk(patient, doctor)
        hang_up_both(patient, doctor)
        wait_until(lambda calls=calls: len(appointment.durations()) == calls)
        for caller in (patient, doctor):
            caller.page.get_by_role("link", name="Back to your appointments").click()
            caller.shows("You have talked for")

    stranger = log_in(appointment.stranger)
    stranger.forgive("403")
    stranger.page.goto(f"{stranger.url}/appointments/{appointment.number}/call")
    stranger.shows("Not your appointment")
    assert stranger.page.evaluate(JOIN, appointment.intrusion) == [["error", "unauthorized"], 4003]
    assert stranger.page.evaluate(ASK_FOR_TOKEN, appointment.patient_id) == 403

    talk(patient, doctor)
    tab = new_caller(beside=patient)
    tab.page.goto(tab.url)
    tab.press("Log out")
    tab.shows("Password")
    patient.reads("You have logged out")
    doctor.reads("has left")
    patient.forgive("401")
    assert patient.page.evaluate(ASK_FOR_TOKEN, appointment.doctor_id) == 401
    patient.page.get_by_role("link", name="Call again").click()
    patient.shows("Password")
    doctor.hang_up()
    wait_until(lambda: len(appointment.durations()) == 3)


def test_a_call_of_an_appointment(patient, doctor, appointment, faultless):
    """They see each other, hang up twice, and how long they talked is stored once."""
    faultless(patient)
    talk(patient, doctor)
    faultless(patient)
    doctor.page.get_by_role("button", name="Hang up").dblclick()
    doctor.reads("You have hung up")
    patient.reads("has left")
    patient.hang_up()
    patient.reads("You have hung up")
    faultless(patient)
    [[seconds]] = wait_until(appointment.durations)
    assert 0 < seconds < 600
    patient.page.get_by_role("link", name="Back to your appointments").click()
    patient.shows("You have talked for")


def test_a_stranger_with_a_login_is_refused(log_in, appointment):
    stranger = log_in(appointment.stranger)
    stranger.forgive("403")
    stranger.shows("You have no appointments")
    stranger.page.goto(f"{stranger.url}/appointments/{appointment.number}/call")
    stranger.shows("Not your appointment")
    # Nor by a page of their own.
    assert stranger.page.evaluate(JOIN, appointment.intrusion) == [["error", "unauthorized"], 4003]


@pytest.mark.long
def test_a_logout_in_another_tab_ends_the_call_and_nobody_comes_back(patient, doctor, appointment, new_caller):
    talk(patient, doctor)
    tab = new_caller(beside=patient)
    tab.page.goto(tab.url)
    late = new_caller(beside=patient)
    late.page.goto(late.url)
    tab.press("Log out")
    tab.shows("Password")
    patient.reads("You have logged out")
    doctor.reads("has left")
    # The form of a page from before the logout.
    late.press("Log out")
    late.shows("Password")
    patient.page.reload()
    expect(patient.page.get_by_label("Password")).to_be_visible()
    doctor.hang_up()
    wait_until(appointment.durations)


@pytest.mark.long
def test_a_logout_at_the_page_of_the_call(patient, doctor, appointment):
    talk(patient, doctor)
    patient.press("Log out")
    doctor.reads("has left")
    doctor.press("Log out")
    doctor.shows("Password")
    wait_until(appointment.durations)


@pytest.mark.long
def test_a_reload_goes_on_with_the_call(patient, doctor, appointment):
    talk(patient, doctor)
    patient.page.reload()
    for caller in (patient, doctor):
        caller.reads("In a call with")
        caller.sees_live_video()
    hang_up_both(patient, doctor)
    wait_until(lambda: len(appointment.durations()) == 1)


@pytest.mark.long
def test_a_doctor_who_comes_back_goes_on_with_the_call(patient, doctor, appointment):
    talk(patient, doctor)
    doctor.hang_up()
    patient.reads("has left")
    doctor.page.get_by_role("link", name="Back to your appointments").click()
    follow(doctor, "Call")
    hang_up_both(patient, doctor)
    wait_until(lambda: len(appointment.durations()) == 1)


@pytest.mark.long
def test_each_call_has_a_duration(patient, doctor, appointment):
    talk(patient, doctor)
    for calls in (1, 2):
        hang_up_both(patient, doctor)
        wait_until(lambda calls=calls: len(appointment.durations()) == calls)
        for caller in (patient, doctor):
            follow(caller, "Call")
    hang_up_both(patient, doctor)
    wait_until(lambda: len(appointment.durations()) == 3)


@pytest.mark.long
@pytest.mark.parametrize("server", [beside], indirect=True)
def test_a_page_that_gets_no_token_says_why_and_waits_for_one(patient, appointment):
    patient.forgive("401")
    answer = {"status": 401, "content_type": "application/problem+json", "body": '{"detail":"Nobody is logged in."}'}
    patient.page.route("**/signaling/token", lambda route: route.fulfill(**answer))
    follow(patient, "Call")
    patient.reads("Nobody is logged in.")
    patient.page.unroute("**/signaling/token")
    patient.reads("Waiting for Dr. Grace Hopper")
