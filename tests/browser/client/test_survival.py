"""What a call survives: a socket that is cut or has gone silent, a restart of the server, another network."""

import signal

import pytest

from tests.browser.client.test_calls import SEES_SCREEN, SHARE
from tests.browser.client.wire import Wire
from tests.driver import Server


@pytest.fixture
def wire(server):
    """Alice's way to the server."""
    with Wire(server.port) as wire:
        yield wire


@pytest.fixture
def wired(alice, bob, names, wire):
    """A call under way, with alice's socket on the wire; she is in the role that a test asks for."""

    def begin(alice_first=True):
        me, peer = names
        call_alice = lambda: alice.calls(me, peer, url=f"wss://localhost:{wire.port}/ws")  # noqa: E731
        call_bob = lambda: bob.calls(peer, me)  # noqa: E731
        first, second = (call_alice, call_bob) if alice_first else (call_bob, call_alice)
        first().is_("waiting")
        second()
        for user in (alice, bob):
            user.is_("connected", signaling="open")
            user.sees_live_video()
        return alice, bob

    return begin


def goes_on(*users):
    """It is the same call as ever: the pictures come, and what is added comes on the connection that there was."""
    for user in users:
        user.is_("connected", signaling="open")
        user.sees_live_video()
    for one, other in (users, users[::-1]):
        one.tells(f"{{ {SHARE} }}")
        other.waits(SEES_SCREEN)
    for user in users:
        assert user.connections() == 1
        assert user.told("error") == []
        assert len({state["state"] for state in user.told("status")} & {"reconnecting", "ended"}) == 0


@pytest.mark.parametrize("alice_first", [True, False], ids=["of the first", "of the second"])
def test_a_cut_socket_is_not_noticed(wired, wire, alice_first):
    """While the socket is away the pictures go on on both sides; when it is back, so is all that needs it."""
    alice, bob = wired(alice_first)
    wire.cut()
    alice.is_("connected", signaling="reconnecting")
    alice.sees_live_video()
    bob.sees_live_video()
    wire.mend()
    goes_on(alice, bob)


def test_what_was_begun_without_a_socket_is_made_good(wired, wire):
    """Either side shares its screen while one of them is cut off: the other sees it once the socket is back."""
    alice, bob = wired()
    wire.cut()
    alice.is_("connected", signaling="reconnecting")
    for user in (alice, bob):
        user.tells(f"{{ {SHARE} }}")
    wire.mend()
    for user in (alice, bob):
        user.waits(SEES_SCREEN)
        assert user.connections() == 1


def test_a_socket_that_has_gone_silent_is_given_up(wired, wire):
    """Nothing closes it, but pings go unanswered, so that another one is opened."""
    alice, bob = wired()
    wire.silence()
    alice.tells("window.dispatchEvent(new Event('online'))")
    alice.is_("connected", signaling="reconnecting")
    wire.mend()
    goes_on(alice, bob)


def test_who_is_cut_off_and_goes_is_lost(wired, wire):
    """As long as the pictures come nobody is missed; when they no longer do, the peer is lost."""
    alice, bob = wired()
    wire.cut()
    alice.waits("signaling.state === 'reconnecting'")
    bob.sees_live_video()
    alice.page.close()
    bob.is_("waiting", reason="lost")
    assert bob.told("media")[-1] is None


def test_a_restart_of_the_server_is_not_noticed(alice, bob, names, certificate):
    """Both are told to come back, and are let in by the new worker, in whatever order; the call goes on."""
    me, peer = names
    with Server(certificate) as server:
        url = f"{server.ws_url}/ws"
        alice.calls(me, peer, url=url).is_("waiting")
        bob.calls(peer, me, url=url)
        for user in (alice, bob):
            user.sees_live_video()
        server.signal(signal.SIGHUP)
        for user in (alice, bob):
            user.waits("events.some(({ detail }) => detail?.retry?.code === 1012)")
        goes_on(alice, bob)


@pytest.mark.parametrize("restarts", [False, True], ids=["alone", "while the server restarts"])
def test_a_page_that_was_frozen_goes_on(alice, bob, names, certificate, restarts):
    """As a browser freezes a tab in the background: no script of it runs, but its media flows. Twice."""
    me, peer = names
    with Server(certificate) as server:
        url = f"{server.ws_url}/ws"
        alice.calls(me, peer, url=url).is_("waiting")
        bob.calls(peer, me, url=url)
        for user in (alice, bob):
            user.sees_live_video()
        browser = alice.page.context.new_cdp_session(alice.page)
        for _ in range(2):
            since = bob.tells("events.length")
            browser.send("Page.setWebLifecycleState", {"state": "frozen"})
            if restarts:
                server.signal(signal.SIGHUP)
                bob.waits(f"events.slice({since}).some(({{ detail }}) => detail?.retry?.code === 1012)")
                bob.is_("connected", signaling="open")
            bob.sees_live_video()
            browser.send("Page.setWebLifecycleState", {"state": "active"})
            for user in (alice, bob):
                user.is_("connected", signaling="open")
                user.sees_live_video()
        goes_on(alice, bob)


def test_another_network_is_looked_for(call):
    """When the machine is online again, new candidates are gathered on the connection that there is."""
    alice, bob = call
    fragment = "/ice-ufrag:(.*)/.exec(connections[0].localDescription.sdp)[1]"
    before = [user.tells(fragment) for user in call]
    alice.tells("window.dispatchEvent(new Event('online'))")
    for user, old in zip(call, before, strict=True):
        user.waits(f"{fragment} !== '{old}'")
    goes_on(alice, bob)
