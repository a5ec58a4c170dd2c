"""Fixtures: users who have only the client, and a call between two of them."""

import pytest

from tests.browser.client.user import User


@pytest.fixture
def new_user(server, new_profile):
    """Make users, each in a browser profile of its own."""
    users = []

    def new(beside=None, **profile):
        users.append(User(beside.page.context if beside else new_profile(**profile), server))
        return users[-1]

    yield new
    for user in users:
        user.page.close()
    assert [user.complaints for user in users if user.complaints] == []


@pytest.fixture
def alice(new_user):
    return new_user()


@pytest.fixture
def bob(new_user):
    return new_user()


@pytest.fixture
def call(alice, bob, names):
    """A call that is under way: alice was there first, so she made the offer."""
    me, peer = names
    alice.calls(me, peer).is_("waiting")
    bob.calls(peer, me).is_("connected")
    alice.is_("connected")
    alice.sees_live_video()
    bob.sees_live_video()
    return alice, bob
