"""Before the call: what one sees of oneself, and what one chooses."""

import pytest
from playwright.sync_api import expect

PLAYS = "() => document.querySelector('#preview-video').videoWidth > 0"
# The camera and the microphone are opened one after the other.
HAS_BOTH = "() => document.querySelector('#preview-video').srcObject?.getTracks().length === 2"
DEVICE_ID = "async label => (await navigator.mediaDevices.enumerateDevices()).find(one => one.label === label).deviceId"


@pytest.fixture
def previewing(alice):
    alice.open().press("Turn on camera and microphone")
    alice.until(PLAYS)
    return alice


def test_one_sees_oneself_before_joining(previewing, names):
    """The preview shows the camera that the call then goes on with."""
    expect(previewing.page.get_by_text("Your camera is off")).to_be_hidden()
    tracks = previewing.page.evaluate_handle("document.querySelector('#preview-video').srcObject.getTracks()")
    previewing.page.get_by_label("Your name").fill(names[0])
    previewing.page.get_by_label("Who you call").fill(names[1])
    previewing.join()
    previewing.reads(f"Waiting for {names[1]}")
    own = previewing.page.evaluate_handle("document.querySelector('#local').srcObject.getTracks()")
    assert previewing.page.evaluate("([one, other]) => one.every((track) => other.includes(track))", [tracks, own])
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["live", "live"]


def test_nobody_is_asked_before_they_did_anything(new_caller):
    """The page waits for a press on the button, and so the browser asks nothing."""
    alice = new_caller(allowed=[]).open()
    expect(alice.button("Turn on camera and microphone")).to_be_visible()
    assert alice.own_tracks() == {}


def test_another_camera_and_microphone_are_chosen_and_remembered(previewing):
    """The devices that were chosen are shown at once, and are those of the next visit."""
    alice, page = previewing, previewing.page
    page.get_by_label("Camera", exact=True).select_option("fake_device_2")
    page.get_by_label("Microphone", exact=True).select_option("Fake Audio Input 2")
    chosen = {"audio": ["Fake Audio Input 2", True], "video": ["fake_device_2", True]}
    alice.until(PLAYS)
    alice.until(HAS_BOTH)
    expect(page.get_by_label("Camera", exact=True)).to_have_value(page.evaluate(DEVICE_ID, "fake_device_2"))
    assert alice.own_tracks() == chosen

    page.reload()
    alice.settle()
    alice.press("Turn on camera and microphone")
    alice.until(PLAYS)
    alice.until(HAS_BOTH)
    assert alice.own_tracks() == chosen


@pytest.mark.long
def test_the_chosen_speaker_plays_the_call(previewing, names, bob):
    """A speaker chosen before the call is the one that the peer is heard on, and another one can be chosen in it."""
    alice, page = previewing, previewing.page
    sink = "label => document.querySelector('#remote').sinkId"
    page.get_by_label("Speaker", exact=True).select_option("Fake Audio Output 1")
    alice.press("Play a test sound")
    page.get_by_label("Your name").fill(names[0])
    page.get_by_label("Who you call").fill(names[1])
    alice.join()
    bob.open(*reversed(names)).is_in_a_call_with(names[0])
    assert page.evaluate(sink) == page.evaluate(DEVICE_ID, "Fake Audio Output 1")

    alice.press("Devices")
    page.get_by_label("Speaker", exact=True).select_option("Fake Audio Output 2")
    wanted = page.evaluate(DEVICE_ID, "Fake Audio Output 2")
    alice.until("wanted => document.querySelector('#remote').sinkId === wanted", wanted)


def test_what_is_off_before_the_call_is_off_in_it(previewing, names, bob):
    """Muted and without a camera one joins as one is, and the peer reads it; the camera comes in mid-call."""
    alice, page = previewing, previewing.page
    alice.press("Mute")
    alice.press("Stop camera")
    alice.shows("Your camera is off")
    assert alice.own_tracks() == {"audio": ["Fake Default Audio Input", False]}
    page.get_by_label("Your name").fill(names[0])
    page.get_by_label("Who you call").fill(names[1])
    alice.press("Join without camera and microphone")
    bob.open(*reversed(names)).reads(f"In a call with {names[0]}")
    bob.shows(f"{names[0]}'s camera and microphone are off")

    alice.press("Start camera")
    alice.press("Unmute")
    bob.sees_live_video()
    expect(bob.page.get_by_text("is off")).to_be_hidden()
    expect(bob.page.get_by_text("are off")).to_be_hidden()


@pytest.mark.long
def test_an_invited_guest_sees_the_page_first(new_caller, names):
    """The invitation that one copies leads the guest to the filled form, and from there into the call."""
    alice = new_caller(allowed=["camera", "microphone", "clipboard-read", "clipboard-write"])
    alice.open(*names).reads(f"Waiting for {names[1]}")
    alice.press("Copy invitation")
    alice.shows(f"Invitation copied. Send it to {names[1]}.")
    link = alice.page.evaluate("() => navigator.clipboard.readText()")

    guest = new_caller()
    guest.page.goto(link)
    expect(guest.page.get_by_label("Your name")).to_have_value(names[1])
    expect(guest.page.get_by_label("Who you call")).to_have_value(names[0])
    guest.reads("Ready")
    guest.join()
    guest.is_in_a_call_with(names[0])
    alice.is_in_a_call_with(names[1])


def test_the_invitation_can_be_copied_by_hand(new_caller, names):
    """Where the clipboard is kept from the page, the link is shown for copying."""
    alice = new_caller(allowed=["camera", "microphone"])
    shown = []
    alice.page.on("dialog", lambda dialog: (shown.append(dialog.default_value), dialog.dismiss()))
    alice.open(*names).reads(f"Waiting for {names[1]}")
    with alice.page.expect_event("dialog"):
        alice.press("Invite")
    assert shown == [f"{alice.url}/?me={names[1]}&peer={names[0]}"]


def test_whose_camera_is_refused_decides_whether_to_join(new_caller, names, bob):
    """The page says what to do; joining without anything is a choice, and the call then brings the peer's picture."""
    alice = new_caller(allowed=[]).open(*names)
    alice.reads("Your camera and microphone cannot be used")
    expect(alice.page.get_by_role("alert")).to_have_text(
        "This page may not use your camera and microphone. "
        "Allow it at the icon beside the page's address, then try again."
    )
    alice.page.context.grant_permissions(["microphone"])
    alice.settle()
    alice.press("Try again")
    expect(alice.page.get_by_role("alert")).to_contain_text("This page may not use your camera.")
    expect(alice.button("Join the call")).to_be_visible()

    alice.press("Mute")
    alice.press("Join without camera and microphone")
    bob.open(*reversed(names)).reads(f"In a call with {names[0]}")
    alice.is_in_a_call_with(names[1])
    bob.shows(f"{names[0]}'s camera and microphone are off")
