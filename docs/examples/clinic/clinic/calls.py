"""Calls: the users, the pairs that may talk, the waiting room, and the durations."""

from contextlib import suppress
from datetime import UTC, datetime

from flask import Flask
from flask_login import current_user
from signaling import Call, Signaling, Unavailable, call_ended

from .models import Appointment, Consultation, db

signaling = Signaling()


@signaling.user_loader
def who() -> str | None:
    """Return the id of the user who is logged in, or None."""
    user_id: str | None = current_user.get_id()
    return user_id


@signaling.authorizer
def may_call(user: str, peer: str) -> bool:
    """Return whether the two have an appointment."""
    return Appointment.between(user, peer) is not None


def waiting_for(user: str) -> set[str]:
    """Return the ids of the users who wait for a user; nobody if a service beside the app cannot be reached."""
    try:
        return {wait.user for wait in signaling.waiting(peer=user)}
    except Unavailable:
        return set()


def disconnect(user: str) -> None:
    """Close the connections of a user who logs out. Without the service, the logout works all the same."""
    with suppress(Unavailable):
        # The bar lasts until the browser has dropped its cookie.
        signaling.disconnect(user, bar_seconds=5)


@call_ended.connect
def store_duration(_app: Flask, call: Call, **_: object) -> None:
    """Store how long they talked. The same call again changes the same row."""
    started = datetime.fromtimestamp(call.started_at, UTC).replace(tzinfo=None)
    if appointment := Appointment.between(*call.users, started):
        fields = {"appointment_id": appointment.id, "started_at": started, "seconds": call.duration}
        db.session.merge(Consultation(id=call.id, **fields))
        db.session.commit()
