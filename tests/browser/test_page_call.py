"""In the call: every button of the page, and the state of the call in words."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.pair import Pair

CAPTURES = "(label) => document.querySelector('#local').srcObject?.getVideoTracks()[0]?.label === label"


class TestInOneCall:
    @pytest.fixture
    def names(self):
        return Pair.names

    @pytest.fixture
    def call(self, one_call):
        return one_call

    def test_muting_and_unmuting(self, call, names):
        """A muted microphone sends silence, the peer reads that it is meant, and it is back at once."""
        alice, bob = call
        alice.press("Mute")
        assert alice.own_tracks()["audio"][1] is False
        bob.shows(f"{names[0]}'s microphone is off")
        alice.press("Unmute")
        assert alice.own_tracks()["audio"][1] is True
        expect(bob.page.get_by_text("microphone is off")).to_be_hidden()

    def test_stopping_and_starting_the_camera(self, call, names):
        """A stopped camera is let go of, so that its light goes out; the peer sees the name, and the picture later."""
        alice, bob = call
        camera = alice.page.evaluate_handle("document.querySelector('#local').srcObject.getVideoTracks()[0]")
        alice.press("Stop camera")
        assert camera.evaluate("track => track.readyState") == "ended"
        expect(alice.page.locator("#local")).to_be_hidden()
        bob.shows(f"{names[0]}'s camera is off")
        expect(bob.page.get_by_label(f"Picture of {names[0]}")).to_be_hidden()

        alice.press("Start camera")
        expect(bob.page.get_by_label(f"Picture of {names[0]}")).to_be_visible()
        bob.sees_live_video()

    def test_another_camera_in_mid_call(self, call):
        """The devices are the same list as before the call; the picture goes on from each camera that is chosen."""
        alice, bob = call
        alice.press("Devices")
        for camera in ("fake_device_2", "fake_device_0"):
            alice.page.get_by_label("Camera", exact=True).select_option(camera)
            alice.until(CAPTURES, camera)
            bob.sees_live_video()
        assert len(alice.page.evaluate("window.connections")) == 1
        alice.press("Close")

    def test_sharing_the_screen(self, call, names):
        """The screen takes the stage beside the camera, and the page says so on both sides until it is over."""
        alice, bob = call
        shared = bob.page.get_by_label("Shared screen")
        expect(shared).to_be_hidden()
        alice.press("Share screen")
        alice.shows("You share your screen")
        expect(shared).to_be_visible()
        bob.until("() => document.querySelector('#screen').videoWidth > 0")
        bob.sees_live_video()
        expect(bob.page.get_by_label(f"Picture of {names[0]}")).to_be_visible()

        alice.press("Stop sharing")
        expect(shared).to_be_hidden()
        expect(alice.page.get_by_text("You share your screen")).to_be_hidden()
        bob.sees_live_video()

    def test_a_share_that_the_browser_ends(self, call):
        """The browser has a button of its own that stops a share; the page follows."""
        alice, bob = call
        alice.page.evaluate(NOTE_SCREEN)
        alice.press("Share screen")
        expect(bob.page.get_by_label("Shared screen")).to_be_visible()
        alice.page.evaluate(
            """() => {
                for (const track of window.shared.getTracks()) {
                    track.stop();
                    track.dispatchEvent(new Event('ended'));
                }
            }"""
        )
        expect(alice.button("Share screen")).to_be_visible()
        expect(bob.page.get_by_label("Shared screen")).to_be_hidden()

    def test_chatting(self, call, names):
        """What is written arrives. It is counted while the chat is closed, and read when it opens. Markup is text."""
        alice, bob = call
        alice.press("Chat")
        alice.page.get_by_label("Message", exact=True).fill("Do you <b>see</b> my screen?")
        alice.page.keyboard.press("Enter")
        expect(alice.page.get_by_role("log")).to_contain_text("Do you <b>see</b> my screen?")

        bob.shows(f"{names[0]}: Do you <b>see</b> my screen?")
        bob.press("Chat 1 new")
        expect(bob.page.get_by_role("log")).to_contain_text("Do you <b>see</b> my screen?")
        expect(bob.button("Chat")).to_be_visible()
        expect(bob.page.get_by_label("Message", exact=True)).to_be_focused()
        bob.page.keyboard.type("Very well")
        bob.press("Send")
        expect(alice.page.get_by_role("log")).to_contain_text("Very well")
        for caller in call:
            caller.press("Chat")

    def test_the_quality_panel_shows_live_figures(self, call):
        """What is received in all grows, the chart has its lines, and the path is named."""
        alice, _ = call
        alice.press("Quality")
        panel = alice.page.get_by_role("complementary", name="Quality")
        expect(panel.get_by_role("row", name="Bit rate")).to_contain_text(re.compile(r"[1-9]\d* kbit/s|Mbit/s"))
        expect(panel.get_by_role("row", name="Picture")).to_contain_text(re.compile(r"\d+ \u00d7 \d+, \d+/s"))
        received = alice.until(RECEIVED_MORE_THAN, 0)
        alice.until(RECEIVED_MORE_THAN, received)
        alice.until("() => document.querySelector('#chart .received').points.length > 3")
        expect(panel).to_contain_text("The connection is")
        expect(panel.get_by_role("img")).to_have_accessible_name(re.compile(r"^The last minute: now .*bit/s received"))
        expect(panel.locator("dl")).to_contain_text("Pathdirect")
        alice.press("Close")

    def test_the_whole_screen(self, call):
        """The page fills the screen with its buttons still on it, and goes back."""
        alice, _ = call
        alice.press("Full screen")
        alice.until("() => document.fullscreenElement !== null")
        expect(alice.button("Hang up")).to_be_visible()
        alice.press("Leave full screen")
        alice.until("() => document.fullscreenElement === null")
        expect(alice.button("Full screen")).to_be_visible()

    def test_a_direct_connection_is_said(self, call, names):
        alice, bob = call
        alice.reads(f"In a call with {names[1]}, connected directly")
        bob.reads(f"In a call with {names[0]}, connected directly")


NOTE_SCREEN = """() => {
    const ask = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getDisplayMedia = async (wanted) => {
        delete navigator.mediaDevices.getDisplayMedia;
        return window.shared = await ask(wanted);
    };
}"""


# In kB or MB, as a person reads it.
RECEIVED_MORE_THAN = """(seen) => {
    const words = document.querySelector('#flows tr:last-child td')?.textContent ?? '';
    const [, figure, unit] = words.match(/^([\\d.]+) (kB|MB)$/) ?? [];
    const bytes = figure * { kB: 1e3, MB: 1e6 }[unit];
    return bytes > seen && bytes;
}"""


def test_a_message_to_nobody_is_kept(alice, names):
    """What could not be sent stays in its field, and the page says why."""
    alice.open(*names).reads(f"Waiting for {names[1]}")
    alice.press("Chat")
    field = alice.page.get_by_label("Message", exact=True)
    field.fill("Are you there?")
    alice.press("Send")
    alice.shows(f"Not sent: {names[1]} is not connected.")
    expect(field).to_have_value("Are you there?")


@pytest.mark.long
class TestByRelay:
    @pytest.fixture
    def server(self, relayed):
        return relayed

    def test_a_connection_by_relay_is_said(self, alice, bob, names):
        """Two browsers that may use nothing but the relay are in a call, and the page says by which way."""
        for caller in (alice, bob):
            caller.page.add_init_script(RELAY_ONLY)
        alice.open(*names)
        bob.open(*reversed(names))
        alice.is_in_a_call_with(names[1])
        alice.reads(f"In a call with {names[1]}, connected by relay")
        bob.reads(f"In a call with {names[0]}, connected by relay")
        alice.press("Quality")
        expect(alice.page.get_by_role("complementary", name="Quality").locator("dl")).to_contain_text("Pathby relay")


RELAY_ONLY = """
    const configure = RTCPeerConnection.prototype.setConfiguration;
    RTCPeerConnection.prototype.setConfiguration = function (configuration) {
        configure.call(this, { ...configuration, iceTransportPolicy: 'relay' });
    };
"""


@pytest.mark.long
def test_a_peer_that_breaks_off_is_waited_for(new_caller, names):
    """A browser that dies says nothing: the page says that it reconnects, then that the peer is lost."""
    alice, bob = new_caller(own=True), new_caller(allowed=["camera", "microphone"])
    alice.page.clock.install()
    alice.open(*names)
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    kill_the_browser_of(bob)
    alice.reads(f"The connection to {names[1]} is interrupted, reconnecting")
    alice.page.clock.fast_forward(20_000)
    alice.reads(f"{names[1]} lost the connection. Waiting for {names[1]} to come back")

    again = new_caller().open(*reversed(names))
    again.is_in_a_call_with(names[0])
    alice.is_in_a_call_with(names[1])


def kill_the_browser_of(caller):
    """All its processes at once: each is stopped before the first one dies, or the network's would say goodbye."""
    session = caller.page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            os.kill(process["id"], number)
