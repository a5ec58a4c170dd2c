"""What goes wrong around a call: devices that are gone, no way to each other, a page that sleeps."""

import pytest
from playwright.sync_api import expect

from tests.long import rest_long

DEVICE_ID = "async label => (await navigator.mediaDevices.enumerateDevices()).find(one => one.label === label).deviceId"
LABELS = "() => document.querySelector('#local').srcObject?.getTracks().map(({ label }) => label).sort()"


def remember(caller, **devices):
    """As if these had been chosen at an earlier visit."""
    caller.page.evaluate("(devices) => localStorage.setItem('devices', JSON.stringify(devices))", devices)


@pytest.fixture
def ids(alice):
    """The id of a device by its name; browsers tell it once a device was open."""
    alice.open().press("Turn on camera and microphone")
    alice.until("() => document.querySelector('#preview-video').videoWidth > 0")
    return lambda label: alice.page.evaluate(DEVICE_ID, label)


@pytest.mark.parametrize(
    ("camera", "microphone", "used"),
    rest_long(
        [
            ("gone", "Fake Audio Input 2", ["Fake Audio Input 2", "fake_device_0"]),
            ("fake_device_2", "gone", ["Fake Default Audio Input", "fake_device_2"]),
            ("gone", "gone", ["Fake Default Audio Input", "fake_device_0"]),
        ]
    ),
)
def test_a_remembered_device_that_is_gone_takes_no_other_along(alice, bob, ids, names, camera, microphone, used):
    """The other one is used as it was chosen, and the call is heard although its speaker is gone as well."""
    camera, microphone = (name if name == "gone" else ids(name) for name in (camera, microphone))
    remember(alice, video=camera, audio=microphone, speaker="gone")
    alice.open(*names).reads(f"Waiting for {names[1]}")
    alice.shows("The chosen speaker cannot be used.")
    alice.until(f"() => ({LABELS})()?.join() === '{','.join(used)}'")
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    bob.is_in_a_call_with(names[0])


def test_a_test_sound_on_a_speaker_that_is_gone(alice, ids):
    remember(alice, speaker="gone")
    alice.open().press("Turn on camera and microphone")
    alice.press("Play a test sound")
    alice.shows("The chosen speaker cannot be used.")


NO_PATH = """
    const { addIceCandidate } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addIceCandidate = async function () {};
    const { setRemoteDescription } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        return setRemoteDescription.call(this, { type, sdp: sdp.replace(/^a=candidate.*\\r\\n/gm, '') });
    };
"""


@pytest.mark.long
def test_two_who_cannot_reach_each_other_are_told_what_is_likely(new_caller, names):
    """No candidate gets through in either direction, as between two strict firewalls without a relay."""
    alice, bob = callers = new_caller(own=True), new_caller(own=True)
    for caller in callers:
        caller.page.add_init_script(NO_PATH)
        caller.page.clock.install()
    alice.open(*names).reads(f"Waiting for {names[1]}")
    bob.open(*reversed(names)).reads(f"Connecting to {names[0]}")
    bob.until("() => window.connections.at(-1)?.localDescription")
    for caller, peer in zip(callers, reversed(names), strict=True):
        caller.page.clock.fast_forward(15_000)
        caller.reads(f"a firewall or a VPN between you and {peer} may block the call")


@pytest.mark.long
def test_a_peer_whose_page_sleeps_is_named(new_caller, names):
    """It is in the room and says nothing: what it is sent is not looked at."""
    alice, bob = new_caller(), new_caller(own=True)
    alice.open(*names).reads(f"Waiting for {names[1]}")
    alice.page.evaluate("() => { WebSocket.prototype.send = () => {}; }")
    bob.page.clock.install()
    bob.open(*reversed(names)).reads(f"Connecting to {names[0]}")
    bob.page.clock.fast_forward(15_000)
    bob.reads(f"the page of {names[0]} does not answer")


def test_a_page_that_goes_says_goodbye(alice, bob, names):
    """By any way of going: to another page, or by closing the tab."""
    alice.open(*names)
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    bob.page.goto("about:blank")
    alice.reads(f"{names[1]} left")
    bob.open(*reversed(names))
    alice.reads(f"In a call with {names[1]}")
    bob.page.close(run_before_unload=True)
    alice.reads(f"{names[1]} left")
    expect(alice.button("Copy invitation")).to_be_visible()
