"""The client with the Node.js server of the same design, which has no codes, no reasons and no pong."""

import pytest

from tests.browser.client.node import NodeServer
from tests.browser.client.test_calls import SEES_SCREEN, SHARE
from tests.browser.client.wire import Wire


@pytest.fixture(scope="module")
def node(certificate):
    with NodeServer(certificate) as running:
        yield running


@pytest.fixture
def wire(node):
    with Wire(node.port) as wire:
        yield wire


@pytest.fixture
def call(alice, bob, names, node, wire):
    """A call under way, with alice's socket on the wire."""
    me, peer = names
    alice.calls(me, peer, url=f"wss://localhost:{wire.port}").is_("waiting")
    bob.calls(peer, me, url=node.url)
    are_in_a_call(alice, bob)
    return alice, bob


def are_in_a_call(*users):
    for user in users:
        user.is_("connected", signaling="open")
        user.sees_live_video()


def test_a_call_with_all_that_happens_in_it(call, names, node):
    """Text, a screen added in mid-call, hanging up and calling again."""
    alice, bob = call
    for one, other in ((alice, bob), (bob, alice)):
        one.waits("call.send('hello')")
        other.waits("events.some(({ type, detail }) => type === 'message' && detail === 'hello')")
        one.tells(f"{{ {SHARE} }}")
        other.waits(SEES_SCREEN)
    assert [user.connections() for user in call] == [1, 1]

    bob.tells("call.hangUp()")
    alice.is_("waiting", reason="left")
    bob.calls(names[1], names[0], url=node.url)
    are_in_a_call(alice, bob)


def test_a_cut_socket_comes_back(call, wire):
    """Its peer is told no more than of a goodbye; once the socket is back the call begins anew by itself."""
    alice, bob = call
    wire.cut()
    bob.is_("waiting")
    alice.waits("signaling.state === 'reconnecting'")
    wire.mend()
    are_in_a_call(alice, bob)


def test_a_second_tab_takes_the_call_over(call, names, node, new_user):
    """The first tab was closed without a code, and yet it knows why, and stays away."""
    alice, bob = call
    sockets = []
    alice.page.on("websocket", lambda socket: sockets.append(socket))
    second = new_user(beside=alice).calls(*names, url=node.url)
    alice.is_("ended", code=4001)
    assert alice.tells("call.status.error.code") == "replaced"
    are_in_a_call(second, bob)
    assert sockets == []


def test_calling_oneself_is_refused_with_a_code(alice, names, node):
    alice.calls(names[0], names[0], url=node.url).is_("ended")
    assert alice.tells("call.status.error.code") == "self-connection"


class TestWithAClockToWind:
    @pytest.fixture
    def alice(self, new_user):
        return new_user(own=True)

    def test_a_server_that_never_answers_a_ping_is_left_in_peace(self, call):
        """Silence of a server that never answered says nothing, so that looking again does not cost the socket."""
        alice, _ = call
        sockets = []
        alice.page.on("websocket", lambda socket: sockets.append(socket))
        alice.page.clock.install()
        alice.tells("window.dispatchEvent(new Event('online'))")
        alice.page.clock.fast_forward(60_000)
        alice.page.clock.resume()
        are_in_a_call(*call)
        assert sockets == []
