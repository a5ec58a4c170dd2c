"""The page where the server asks for tokens: a link brings one along, and nobody gets to see it."""

import os
import signal
import time
from urllib.parse import quote, urlsplit

import jwt
import pytest
from playwright.sync_api import expect

from tests.clock import Clock
from tests.driver import Server
from tests.long import rest_long

SECRET = "the secret that the app and this server share"


@pytest.fixture(scope="module")
def server(certificate):
    with Server(certificate, SIGNALING_JWT_KEY=SECRET) as running:
        yield running


def follow(caller, *names, **claims):
    caller.page.goto(link(caller, *names, **claims))
    caller.join()


def link(caller, me, peer, **claims):
    token = jwt.encode({"sub": me, "peer": peer, "exp": time.time() + 3_600, **claims}, SECRET)
    return f"{caller.url}/?me={me}&peer={peer}#token={token}"


def test_a_link_with_a_token_leads_into_the_call_and_back_after_a_reload(alice, bob, names):
    me, peer = names
    follow(alice, me, peer)
    alice.reads(f"Waiting for {peer}")
    alice.page.reload()
    alice.reads(f"Waiting for {peer}")
    follow(bob, peer, me)
    for caller, other in ((alice, peer), (bob, me)):
        caller.is_in_a_call_with(other)
        assert "#" not in caller.page.url


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


@pytest.fixture
def clock(tmp_path):
    """By which the tokens end."""
    return Clock(tmp_path)


def call_until_the_tokens_end(alice, bob, names, server, clock):
    """Two in a call whose tokens have just expired."""
    me, peer = names
    alice.url = bob.url = server.url
    alice.forgive(*NO_SERVER)
    bob.forgive(*NO_SERVER)
    end = clock.now + 60
    for caller, one, other in ((alice, me, peer), (bob, peer, me)):
        caller.page.goto(link(caller, one, other, exp=end))
        caller.join()
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)
    clock.set(end + 1)


# What the browser says of each attempt to come back while there is no server.
NO_SERVER = ("503", "ERR_")


def restart(server, *callers):
    before = server.worker
    server.signal(signal.SIGHUP)
    callers[0].wait_until(lambda: not os.path.exists(f"/proc/{before}"))
    callers[0].wait_until(lambda: server.health()["connections"] == len(callers))


@pytest.mark.long
def test_both_come_back_by_themselves_just_after_their_tokens_end(alice, bob, names, certificate, clock):
    """Twice, on the same media."""
    with Server(certificate, SIGNALING_JWT_KEY=SECRET, SIGNALING_JWT_LEEWAY=0, **clock.settings) as server:
        call_until_the_tokens_end(alice, bob, names, server, clock)
        for _ in range(2):
            restart(server, alice, bob)
            for caller, other in ((alice, names[1]), (bob, names[0])):
                caller.is_in_a_call_with(other)
                assert caller.page.evaluate("() => window.connections.length") == 1


@pytest.mark.long
def test_a_call_outlives_its_token_and_the_server_and_a_fresh_link_brings_it_back(
    alice, bob, names, certificate, clock
):
    """The server that comes back knows neither token nor ticket. The page says what to do, and it is enough."""
    me, peer = names
    settings = {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_LEEWAY": 0, **clock.settings}
    with Server(certificate, **settings, SIGNALING_RESUME_SECRET="a" * 32) as server:
        call_until_the_tokens_end(alice, bob, names, server, clock)
    with Server(certificate, **settings, SIGNALING_RESUME_SECRET="b" * 32, PORT=server.port):
        for caller in (alice, bob):
            caller.reads("Your link has expired: open a fresh one in this tab")
            caller.sees_live_video()
        for caller, one, other in ((alice, me, peer), (bob, peer, me)):
            caller.page.evaluate("(url) => { location.href = url; }", link(caller, one, other))
        for caller, other in ((alice, peer), (bob, me)):
            caller.until("() => !document.querySelector('#status').innerText.includes('expired')")
            caller.is_in_a_call_with(other)
            assert caller.page.evaluate("() => window.connections.length") == 1


@pytest.mark.long
def test_a_link_may_say_where_a_fresh_token_is_to_be_had(alice, bob, names, certificate, clock):
    """Neither the token nor a ticket is good any more; the page asks, and both come back."""
    asked = []

    def answer(route):
        me, peer = route.request.url.rsplit("/", 2)[1:]
        asked.append((me, route.request.method, route.request.header_value("accept")))
        route.fulfill(json={"token": jwt.encode({"sub": me, "peer": peer, "exp": clock.now + 3_600}, SECRET)})

    settings = {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_LEEWAY": 0, **clock.settings}
    with Server(certificate, **settings, SIGNALING_RESUME_SECRET="a" * 32) as server:
        for caller, one, other in ((alice, *names), (bob, *reversed(names))):
            caller.page.route("**/fresh/**", answer)
            caller.refresh = f"&refresh=/fresh/{one}/{other}"
        alice.url = bob.url = server.url
        alice.forgive(*NO_SERVER)
        bob.forgive(*NO_SERVER)
        end = clock.now + 60
        for caller, one, other in ((alice, *names), (bob, *reversed(names))):
            caller.page.goto(link(caller, one, other, exp=end) + caller.refresh)
            caller.join()
            assert "#" not in caller.page.url
        alice.is_in_a_call_with(names[1])
        bob.is_in_a_call_with(names[0])
        assert asked == []
        clock.set(end + 1)
    with Server(certificate, **settings, SIGNALING_RESUME_SECRET="b" * 32, PORT=server.port):
        for caller, other in ((alice, names[1]), (bob, names[0])):
            caller.is_in_a_call_with(other)
            caller.until("() => !document.querySelector('#status').innerText.includes('expired')")
        alice.wait_until(lambda: {who for who, *_ in asked} == set(names))
        assert {tuple(how) for _, *how in asked} == {("GET", "application/json")}
        for caller in (alice, bob):
            caller.sees_live_video()
            assert caller.page.evaluate("() => window.connections.length") == 1


@pytest.mark.parametrize(
    "elsewhere", rest_long(["https://example.org/token", "//example.org/token", "https://[", "data:,{}"])
)
def test_no_other_site_is_asked_for_tokens(alice, names, elsewhere):
    requests = []
    alice.page.on("request", lambda request: requests.append(request.url))
    alice.page.goto(f"{link(alice, *names)}&refresh={quote(elsewhere, safe='')}")
    alice.shows("The link names another site for fresh tokens. This page does not ask there.")
    alice.join()
    alice.reads(f"Waiting for {names[1]}")
    assert {urlsplit(url).hostname for url in requests} == {"localhost"}


def test_the_check_says_that_a_token_is_missing(alice):
    """The refusal is the browser's own complaint as well."""
    alice.open()
    alice.press("Check now")
    found = alice.page.get_by_role("listitem").filter(has_text="Relay")
    expect(found).to_contain_text("The server gives its relays to users with a valid link only")
    alice.wait_until(lambda: any("401" in told for told in alice.complaints))
    alice.forgive("401")
