from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import FlaskLoginClient

from clinic import create_app
from clinic.models import User, db

Users = dict[str, User]
Browse = Callable[[str], FlaskClient]
MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Make clinics of the test's own, with the demo data: Grace and Ada, who have an appointment, and Eve."""
    settings = {"FLASK_SQLALCHEMY_DATABASE_URI": "sqlite://", "FLASK_HTTPS": "false", "FLASK_WTF_CSRF_ENABLED": "false"}
    apps: list[Flask] = []

    def make(**more: str) -> Flask:
        for name, value in {**settings, **more}.items():
            monkeypatch.setenv(name, value)
        apps.append(create_app())
        apps[-1].test_client_class = FlaskLoginClient
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def users(app: Flask) -> Users:
    with app.app_context():
        return {user.login: user for user in db.session.scalars(db.select(User))}


@pytest.fixture
def browse(app: Flask, users: Users) -> Browse:
    """Return the browser of a user who is logged in. That takes no form, since passwords take long to verify."""
    return lambda login: app.test_client(user=users[login])
