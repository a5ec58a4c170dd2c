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


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A clinic of the test's own, with the demo data: Grace and Ada, who have an appointment, and Eve."""
    settings = {"SQLALCHEMY_DATABASE_URI": "sqlite://", "HTTPS": "false", "WTF_CSRF_ENABLED": "false"}
    for name, value in settings.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    app = create_app()
    app.test_client_class = FlaskLoginClient
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def users(app: Flask) -> Users:
    with app.app_context():
        return {user.login: user for user in db.session.scalars(db.select(User))}


@pytest.fixture
def browse(app: Flask, users: Users) -> Browse:
    """Return the browser of a user who is logged in. That takes no form, since passwords take long to verify."""
    return lambda login: app.test_client(user=users[login])
