"""Two people call each other in two real browsers, through the real server."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.pair import Pair
from tests.long import rest_long

# What the page says for half a second only.
NOTE_WORDS = """() => {
    const status = document.querySelector('[role=status]');
    window.words = [];
    new MutationObserver(() => window.words.push(status.textContent)).observe(status, { childList: true });
}"""


class TestInOneCall:
    @pytest.fixture
    def names(self):
        return Pair.names

    @pytest.fixture
    def call(self, one_call):
        return one_call

    def test_a_call_carries_video_both_ways(self, call, names):
        """Two pages from links decode a growing number of each other's frames, and say that they are in a call."""
        alice, bob = call
        alice.is_in_a_call_with(names[1])
        bob.is_in_a_call_with(names[0])

    def test_hanging_up_and_calling_again(self, call, names):
        """Hanging up stops the camera and is said on both sides, and the same form then starts the call anew."""
        alice, bob = call
        camera = bob.page.evaluate_handle("document.querySelector('#local').srcObject.getTracks()")
        bob.hang_up()
        bob.reads("You hung up")
        alice.reads(f"{names[1]} left")
        assert camera.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended", "ended"]

        bob.join()
        alice.is_in_a_call_with(names[1])
        bob.is_in_a_call_with(names[0])

    @pytest.mark.parametrize("who", rest_long([0, 1]), ids=["the first", "the second"])
    def test_reloading_a_page_brings_the_call_back(self, call, names, who):
        """A reload in mid-call, of either page, ends in a call on both sides again."""
        reloaded, other = call[who], call[1 - who]
        reloaded.page.reload()
        # In this order: the other one may not yet have noticed.
        reloaded.is_in_a_call_with(names[1 - who])
        other.is_in_a_call_with(names[who])

    def test_a_second_tab_takes_the_call_over(self, call, names, new_caller):
        """A second tab of the same user carries the call on, and the first says so and does not come back."""
        alice, bob = call
        sockets = []
        alice.page.on("websocket", lambda socket: sockets.append(socket))
        second = new_caller(beside=alice).open(*names)
        alice.reads("Disconnected: you joined from another tab")
        expect(alice.page.get_by_role("button", name="Join the call")).to_be_visible()
        second.is_in_a_call_with(names[1])
        bob.is_in_a_call_with(names[0])
        assert sockets == []

        second.page.close()
        alice.join()
        bob.is_in_a_call_with(names[0])
        alice.is_in_a_call_with(names[1])


def test_a_refused_join_is_said_in_words(alice, bob, names):
    """Who calls himself reads why that cannot be, and can correct it in the form."""
    alice.open(names[0], names[0]).reads("You cannot call yourself")
    alice.page.get_by_label("Who you call").fill(names[1])
    alice.join()
    alice.reads(f"Waiting for {names[1]}")


def test_a_restart_of_the_server_is_survived(alice, bob, names):
    """Pages whose sockets are all closed with 1012 say that the server restarts, come back, and the call with them."""
    sockets = []
    for caller in (alice, bob):
        caller.page.route_web_socket(
            re.compile("/ws$"), lambda page_end: sockets.append((page_end, page_end.connect_to_server()))
        )
    alice.open(*names)
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    alice.page.evaluate(NOTE_WORDS)
    for page_end, server_end in tuple(sockets):
        server_end.close()
        page_end.close(code=1012)
    alice.page.wait_for_function("() => window.words.includes('The server is restarting, reconnecting')")
    alice.is_in_a_call_with(names[1])
    bob.is_in_a_call_with(names[0])
    assert len(sockets) == 4


@pytest.mark.long
def test_a_lost_offer_is_made_good(new_caller, bob, names):
    """When the offer never arrives, the page that made it starts over after its ten seconds, and the call succeeds."""
    lost = []
    alice = new_caller(own=True)

    def between(page_end):
        server_end = page_end.connect_to_server()

        def forward(text):
            if not lost and json.loads(text).get("data", {}).get("type") == "offer":
                lost.append(text)
            else:
                server_end.send(text)

        page_end.on_message(forward)

    alice.page.route_web_socket(re.compile("/ws$"), between)
    alice.page.clock.install()
    alice.open(*names).reads(f"Waiting for {names[1]}")
    bob.open(*reversed(names)).reads(f"Connecting to {names[0]}")
    alice.page.wait_for_function("() => window.connections[0]?.localDescription")
    alice.page.clock.fast_forward(10_000)
    alice.is_in_a_call_with(names[1])
    bob.is_in_a_call_with(names[0])
    assert len(lost) == 1
