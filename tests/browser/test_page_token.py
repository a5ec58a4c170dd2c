"""The page where the server asks for tokens: a link brings one along, and nobody gets to see it."""

import signal
import time

import jwt
import pytest
from playwright.sync_api import expect

from tests.driver import Server
from tests.waiting import wait_until

SECRET = "the secret that the app and this server share"


@pytest.fixture(scope="module")
def server(certificate):
    with Server(certificate, SIGNALING_JWT_KEY=SECRET) as running:
        yield running


def follow(caller, *names, **claims):
    caller.page.goto(link(caller, *names, **claims))
    caller.join()


def link(caller, me, peer, **claims):
    token = jwt.encode({"sub": me, "peer": peer, "exp": time.time() + 60, **claims}, SECRET)
    return f"{caller.url}/?me={me}&peer={peer}#token={token}"


def test_a_link_with_a_token_leads_into_the_call_and_back_after_a_reload(alice, bob, names):
    me, peer = names
    follow(alice, me, peer)
    follow(bob, peer, me)
    for caller, other in ((alice, peer), (bob, me)):
        caller.is_in_a_call_with(other)
        assert "#" not in caller.page.url

    bob.page.reload()
    bob.is_in_a_call_with(me)
    alice.is_in_a_call_with(peer)


def test_the_token_is_in_no_invitation(new_caller, names):
    alice = new_caller(allowed=["camera", "microphone", "clipboard-read", "clipboard-write"])
    follow(alice, *names)
    alice.reads(f"Waiting for {names[1]}")
    alice.press("Copy invitation")
    alice.shows("Invitation copied.")
    assert alice.page.evaluate("() => navigator.clipboard.readText()") == (
        f"{alice.url}/?me={names[1]}&peer={names[0]}"
    )


def test_who_is_not_let_in_is_told_what_to_do_and_a_fresh_link_does(alice, names):
    """The fresh link is opened in the same tab, whose page it does not load anew."""
    follow(alice, *names, exp=time.time() - 3_600)
    alice.reads("The server did not let you in: open the page with a fresh link")
    alice.page.goto(link(alice, *names))
    alice.page.wait_for_url(f"{alice.url}/?me={names[0]}&peer={names[1]}")
    alice.join()
    alice.reads(f"Waiting for {names[1]}")


def test_a_call_outlives_its_token_and_the_server_and_a_fresh_link_brings_it_back(alice, bob, names, certificate):
    """The server restarts after the tokens' end. The pictures go on, the page says what to do, and it is enough."""
    me, peer = names
    with Server(certificate, SIGNALING_JWT_KEY=SECRET, SIGNALING_JWT_LEEWAY=0) as server:
        alice.url = bob.url = server.url
        soon = time.time() + 40
        follow(alice, me, peer, exp=soon)
        follow(bob, peer, me, exp=soon)
        alice.is_in_a_call_with(peer)
        bob.is_in_a_call_with(me)
        wait_until(lambda: time.time() > soon, patience=60)
        server.signal(signal.SIGHUP)
        for caller in (alice, bob):
            caller.reads("Your link has expired: open a fresh one in this tab")
            caller.sees_live_video()
        for caller, one, other in ((alice, me, peer), (bob, peer, me)):
            caller.page.evaluate("(url) => { location.href = url; }", link(caller, one, other))
        for caller, other in ((alice, peer), (bob, me)):
            caller.until("() => !document.querySelector('#status').innerText.includes('expired')")
            caller.is_in_a_call_with(other)
            assert caller.page.evaluate("() => window.connections.length") == 1
            # While the old worker ends it refuses whoever comes back, and the browser complains of that.
            caller.complaints[:] = [complaint for complaint in caller.complaints if "503" not in complaint]


def test_the_check_says_that_a_token_is_missing(alice):
    """The refusal is the browser's own complaint as well."""
    alice.open()
    alice.press("Check now")
    found = alice.page.get_by_role("listitem").filter(has_text="Relay")
    expect(found).to_contain_text("The server tells its relays to those alone whom it lets in")
    assert [complaint for complaint in alice.complaints if "401" in complaint]
    alice.complaints.clear()
