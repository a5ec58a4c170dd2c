"""Calls: the users, the pairs that may talk, the waiting room, and the durations."""

from datetime import UTC, datetime

from flask import Flask
from flask_login import current_user
from signaling import Call, Signaling, call_ended, call_waiting, waiting_ended

from .models import Appointment, Consultation, db, now

signaling = Signaling(url_prefix="/call")


@signaling.user_loader
def who() -> str | None:
    """Return the id of the user who is logged in, or None."""
    user_id: str | None = current_user.get_id()
    return user_id


@signaling.authorizer
def may_call(user: str, peer: str) -> bool:
    """Return whether the two have an appointment."""
    return Appointment.between(user, peer) is not None


@call_waiting.connect
def show_waiting(_app: Flask, user: str, peer: str, **_: object) -> None:
    """Store who waits, so that the list of the other user shows it."""
    if appointment := Appointment.between(user, peer):
        appointment.waiting_id, appointment.waiting_since = int(user), now()
        db.session.commit()


@waiting_ended.connect
def hide_waiting(_app: Flask, user: str, peer: str, **_: object) -> None:
    """Forget that they waited: the other one came, or they left."""
    appointment = Appointment.between(user, peer)
    if appointment and appointment.waiting_id == int(user):
        appointment.waiting_id = appointment.waiting_since = None
        db.session.commit()


@call_ended.connect
def store_duration(_app: Flask, call: Call, **_: object) -> None:
    """Store how long they talked. The same call again changes the same row."""
    started = datetime.fromtimestamp(call.started_at, UTC).replace(tzinfo=None)
    if appointment := Appointment.between(*call.users, started):
        fields = {"appointment_id": appointment.id, "started_at": started, "seconds": call.duration}
        db.session.merge(Consultation(id=call.id, **fields))
        db.session.commit()


def forget_waits() -> None:
    """Forget waits from before a crash, which sends no signals. Call it at the start."""
    waits = signaling.waiting()
    if not waits and not waits.partial:
        db.session.execute(db.update(Appointment).values(waiting_id=None, waiting_since=None))
        db.session.commit()
