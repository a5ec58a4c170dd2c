"""The pre-call check: what it finds, and what it says to do."""

import re

import pytest
from playwright.sync_api import expect

from tests.driver import Server


class Check:
    """The list of findings at one page."""

    def __init__(self, caller):
        self.caller = caller
        self.section = caller.page.get_by_role("region", name="Will it work?")

    def run(self):
        self.caller.press("Check now")
        expect(self.caller.button("Check again")).to_be_visible()
        return self

    def found(self, subject, verdict, words=""):
        row = self.section.get_by_role("listitem").filter(has_text=re.compile(rf"^{subject}"))
        expect(row).to_contain_text(f"{subject}: {verdict}")
        expect(row).to_contain_text(words)

    def concludes(self, words):
        expect(self.section.get_by_text(words)).to_be_visible()


def test_everything_is_ready_but_a_relay(alice):
    """Camera, microphone and server are good; a server without a relay says what that means."""
    check = Check(alice.open()).run()
    check.found("Browser", "good")
    check.found("Camera", "good", "fake_device_0")
    check.found("Microphone", "good", "Fake Default Audio Input")
    check.found("Server", "good", "The server answers within")
    check.found("Relay", "remark", "Calls work where the two of you can reach each other directly.")
    check.concludes("You can call. Mind the remark above.")


def test_a_refused_camera_says_what_to_do(new_caller):
    """The check goes on behind what is refused, and names the way out, by which it then is right."""
    alice = new_caller(allowed=["microphone"]).open()
    check = Check(alice).run()
    check.found("Camera", "problem", "Allow it at the icon beside the page's address, then try again.")
    check.found("Microphone", "good")
    check.found("Server", "good")
    check.concludes("One thing needs your attention.")

    alice.page.context.grant_permissions(["camera", "microphone"])
    alice.press("Start camera")
    alice.press("Check again")
    check.found("Camera", "good")
    check.concludes("You can call.")


def test_a_camera_that_is_off_is_a_remark(alice):
    """The user has turned it off, so nothing is wrong with it, and the check goes on."""
    alice.open().press("Stop camera")
    check = Check(alice).run()
    check.found("Camera", "remark", "Your camera is off.")
    check.found("Microphone", "good")
    check.concludes("You can call. Mind the remark above.")


def test_a_silent_microphone_is_noticed(alice):
    """A microphone that is open and gives no sound is a remark, not a surprise in the call."""
    alice.page.add_init_script(SILENCE)
    check = Check(alice.open()).run()
    check.found("Microphone", "remark", "is silent. Say something")


SILENCE = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        for (const track of stream.getAudioTracks()) {
            const silence = new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
            stream.removeTrack(track);
            stream.addTrack(silence);
        }
        return stream;
    };
"""


def test_a_server_that_is_out_of_reach_is_said(alice):
    """A WebSocket that is closed on its way is a problem, though the page itself was loaded."""
    alice.page.route_web_socket(re.compile("/ws$"), lambda socket: socket.close(code=1013))
    check = Check(alice.open()).run()
    check.found("Server", "problem", "The server does not answer.")
    check.concludes("One thing needs your attention.")


class TestWithARelay:
    @pytest.fixture
    def server(self, relayed):
        return relayed

    def test_the_relay_is_tried(self, alice):
        """An address on the relay is asked for, with the credentials that the server gives."""
        check = Check(alice.open()).run()
        check.found("Relay", "good")
        check.concludes("You are ready to call.")


class TestWithForgedCredentials:
    @pytest.fixture
    def server(self, certificate, coturn):
        with Server(certificate, **coturn.settings | {"SIGNALING_TURN_SECRET": "not-the-relay's"}) as running:
            yield running

    def test_a_relay_that_refuses_is_said(self, alice):
        """A secret that the server and the relay do not share is for the operator to put right."""
        check = Check(alice.open()).run()
        check.found("Relay", "problem", "Tell the operator of this server.")


@pytest.mark.long
class TestWithARelayThatIsAway:
    @pytest.fixture
    def server(self, certificate, coturn):
        with Server(certificate, **coturn.settings | {"SIGNALING_TURN_URLS": "turn:127.0.0.1:9"}) as running:
            yield running

    def test_a_relay_that_does_not_answer_is_said(self, alice):
        check = Check(alice.open()).run()
        check.found("Relay", "problem", "The relay does not answer.")
