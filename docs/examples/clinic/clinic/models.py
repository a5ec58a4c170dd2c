"""Users, their appointments, and the calls that these led to."""

from __future__ import annotations

from datetime import UTC, datetime

from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash


class Base(DeclarativeBase):
    """The base of the models."""


db = SQLAlchemy(model_class=Base)


def now() -> datetime:
    """Return the time in UTC, without a timezone, as SQLite stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(UserMixin, db.Model):  # type: ignore[misc, name-defined]
    """A doctor or a patient. Flask-Login and the signaling server know them by ``str(id)``."""

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]

    def has_password(self, password: str) -> bool:
        """Return whether the password is theirs."""
        return check_password_hash(self.password_hash, password)


class Appointment(db.Model):  # type: ignore[misc, name-defined]
    """A doctor and a patient who may call each other."""

    id: Mapped[int] = mapped_column(primary_key=True)
    doctor_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    patient_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    starts_at: Mapped[datetime]

    doctor: Mapped[User] = relationship(foreign_keys=[doctor_id])
    patient: Mapped[User] = relationship(foreign_keys=[patient_id])
    consultations: Mapped[list[Consultation]] = relationship(order_by="Consultation.started_at")

    def peer_of(self, user: User) -> User | None:
        """Return the other user of the appointment, or None for a user who is not of it."""
        return {self.doctor_id: self.patient, self.patient_id: self.doctor}.get(user.id)

    @property
    def seconds(self) -> float:
        """Return how long they have talked, in all calls."""
        return sum(consultation.seconds for consultation in self.consultations)

    @classmethod
    def of(cls, user: User) -> list[Appointment]:
        """Return the appointments of a user, the first one first."""
        theirs = (cls.doctor_id == user.id) | (cls.patient_id == user.id)
        return list(db.session.scalars(db.select(cls).where(theirs).order_by(cls.starts_at)))

    @classmethod
    def between(cls, one: str, other: str, when: datetime | None = None) -> Appointment | None:
        """Return the appointment of two users that is nearest to a time, by default to the present."""
        # The peer of a join can be any text, and no number at all.
        doctor, patient = (db.cast(column, db.String) for column in (cls.doctor_id, cls.patient_id))
        pair = db.select(cls).where(doctor.in_((one, other)), patient.in_((one, other)))
        when = when or now()
        return min(db.session.scalars(pair), key=lambda found: abs(found.starts_at - when), default=None)


class Consultation(db.Model):  # type: ignore[misc, name-defined]
    """A call that took place: one row for each, by the id of the call."""

    id: Mapped[str] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id"))
    started_at: Mapped[datetime]
    seconds: Mapped[float]


def add_demo_data() -> None:
    """Add three users and an appointment, if there is nobody. Everybody's password is ``demo``."""
    if db.session.scalar(db.select(User).limit(1)) is not None:
        return
    names = {"grace": "Dr. Grace Hopper", "ada": "Ada Lovelace", "eve": "Eve Adams"}
    hashed = generate_password_hash("demo")
    users = {login: User(login=login, name=name, password_hash=hashed) for login, name in names.items()}
    db.session.add_all(users.values())
    db.session.add(Appointment(doctor=users["grace"], patient=users["ada"], starts_at=now()))
    db.session.commit()
