"""Fixtures: users who have only the client, and a call between two of them."""

import pytest

from tests.browser.client.user import User
from tests.browser.conftest import ALLOW, spki_hash


@pytest.fixture
def new_user(server, chromium):
    """Make users, each in a browser profile of its own."""
    browser = chromium(f"--ignore-certificate-errors-spki-list={spki_hash(server.certificate)}", ALLOW)
    users, contexts = [], []

    def new(beside=None):
        context = beside.page.context if beside else browser.new_context()
        contexts.append(context)
        users.append(User(context, server))
        return users[-1]

    yield new
    for context in contexts:
        context.close()
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
