"""The page in Firefox: by keyboard, its devices, and the check before a call."""

import pytest

PLAYS = "() => document.querySelector('#preview-video').videoWidth > 0"
LISTED = "(list) => [...document.querySelectorAll(`${list} option`)].map(({ text }) => text)"
FOCUSED = "() => document.activeElement.innerText.trim() || document.activeElement.labels[0].innerText"
FOUND = "(start) => [...document.querySelectorAll('#check-results li')].some((li) => li.textContent.startsWith(start))"


def test_a_call_by_keyboard(alice, names):
    """From the form into the call, into a panel and out of it, and back to the form, with the focus in place."""
    alice.open()
    alice.page.keyboard.type(names[0])
    alice.page.keyboard.press("Tab")
    alice.page.keyboard.type(names[1])
    alice.page.keyboard.press("Enter")
    alice.reads(f"Waiting for {names[1]}")
    focuses(alice, "Hang up")
    alice.page.keyboard.press("Shift+Tab")
    focuses(alice, "Chat")
    alice.page.keyboard.press("Enter")
    focuses(alice, "Message")
    alice.page.keyboard.press("Escape")
    focuses(alice, "Chat")
    alice.page.keyboard.press("Tab")
    alice.page.keyboard.press("Enter")
    alice.reads("You hung up")
    focuses(alice, "Join the call")


def focuses(caller, name):
    """The keyboard's focus is on what has this name."""
    caller.until(f"(name) => ({FOCUSED})() === name", name)


def test_the_devices_are_seen_and_listed(alice):
    """One sees oneself after a press on the button, and by which camera and microphone."""
    alice.open()
    alice.press("Turn on camera and microphone")
    alice.until(PLAYS)
    assert alice.page.evaluate(LISTED, "#camera") == ["Default Video Device"]
    assert alice.page.evaluate(LISTED, "#microphone") == ["Default Audio Device"]


class TestCheck:
    @pytest.fixture
    def server(self, relayed):
        return relayed

    def test_everything_is_ready(self, alice):
        """Devices and server are good, and the relay lets Firefox have an address."""
        alice.open()
        alice.press("Check now")
        alice.shows("You are ready to call.")
        for line in (
            "Browser: good",
            "Camera: goodDefault Video Device",
            "Microphone: goodDefault Audio Device",
            "Server: goodThe server answers within",
            "Relay: good",
        ):
            alice.until(FOUND, line)
