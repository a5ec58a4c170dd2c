"""The page for everybody: by keyboard, by ear, on a phone, in the dark, without motion."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.long import rest_long

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
LANDSCAPE = {"viewport": {"width": 640, "height": 320}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("theme", rest_long(["light", "dark"]))
def test_axe_finds_nothing_before_the_call(new_caller, faultless, theme):
    alice = new_caller(color_scheme=theme).open()
    faultless(alice)
    alice.press("Turn on camera and microphone")
    alice.until("() => document.querySelector('#preview-video').videoWidth > 0")
    faultless(alice)
    alice.press("Check now")
    expect(alice.button("Check again")).to_be_visible()
    faultless(alice)

    wary = new_caller(allowed=[], color_scheme=theme).open()
    faultless(wary)
    wary.press("Turn on camera and microphone")
    expect(wary.page.get_by_role("alert")).to_be_visible()
    faultless(wary)


@pytest.mark.parametrize("theme", rest_long(["light", "dark"]))
def test_axe_finds_nothing_in_the_call(new_caller, faultless, names, theme):
    alice, bob = new_caller(color_scheme=theme), new_caller()
    alice.open(*names).reads(f"Waiting for {names[1]}")
    faultless(alice)

    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    faultless(alice)

    bob.press("Chat")
    bob.page.get_by_label("Message", exact=True).fill("Hello")
    bob.press("Send")
    alice.shows(f"{names[1]}: Hello")
    faultless(alice)
    for panel, toggle in {"Chat": "Chat 1 new", "Quality": "Quality", "Devices": "Devices"}.items():
        alice.press(toggle)
        if panel == "Quality":
            expect(alice.page.get_by_role("row", name="Bit rate")).to_be_visible()
        faultless(alice)

    bob.press("Share screen")
    expect(alice.page.get_by_label("Shared screen")).to_be_visible()
    bob.press("Mute")
    alice.shows("microphone is off")
    alice.press("Mute")
    alice.press("Stop camera")
    faultless(alice)

    bob.hang_up()
    alice.reads(f"{names[1]} left")
    faultless(alice)


def focused(caller):
    return caller.page.evaluate(
        "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.labels?.[0]?.textContent"
        " ?? document.activeElement.innerText.trim()"
    )


def go_to(caller, name):
    """Press Tab until the focus is there; every stop on the way must be seen."""
    stops = []
    while focused(caller) != name:
        caller.page.keyboard.press("Tab")
        stops.append(focused(caller))
        assert len(stops) < 30, f"{name} is not among {stops}"
        assert caller.page.evaluate(HAS_A_RING), f"{stops[-1]} has the focus and does not look like it"


# The focus may be on the page itself for a moment, between its end and its beginning.
HAS_A_RING = """() => {
    const element = document.activeElement;
    const { outlineStyle, boxShadow } = getComputedStyle(element);
    return element === document.body || outlineStyle !== 'none' || boxShadow !== 'none';
}"""


def test_a_whole_call_by_keyboard(alice, bob, names):
    """Names, join, mute, chat, quality and hang up without a mouse; the focus is always somewhere sensible."""
    alice.open()
    keyboard = alice.page.keyboard
    expect(alice.page.get_by_label("Your name")).to_be_focused()
    keyboard.type(names[0])
    keyboard.press("Tab")
    expect(alice.page.get_by_label("Who you call")).to_be_focused()
    keyboard.type(names[1])
    keyboard.press("Tab")
    expect(alice.button("Join the call")).to_be_focused()
    keyboard.press("Enter")
    alice.reads(f"Waiting for {names[1]}")
    assert parse_qs(urlsplit(alice.page.url).query) == {"me": [names[0]], "peer": [names[1]]}
    expect(alice.button("Hang up")).to_be_focused()
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])

    go_to(alice, "Mute")
    keyboard.press("Space")
    bob.shows("microphone is off")
    expect(alice.button("Unmute")).to_be_focused()

    go_to(alice, "Chat")
    keyboard.press("Enter")
    expect(alice.page.get_by_label("Message", exact=True)).to_be_focused()
    keyboard.type("By keyboard")
    keyboard.press("Enter")
    bob.shows("By keyboard")
    keyboard.press("Escape")
    expect(alice.button("Chat")).to_be_focused()
    expect(alice.page.get_by_role("log")).to_be_hidden()

    go_to(alice, "Quality")
    keyboard.press("Enter")
    expect(alice.button("Close")).to_be_focused()
    keyboard.press("Enter")
    expect(alice.button("Quality")).to_be_focused()

    go_to(alice, "Hang up")
    keyboard.press("Space")
    alice.reads("You hung up")
    expect(alice.button("Join the call")).to_be_focused()


@pytest.mark.long
@pytest.mark.parametrize("shape", [PHONE, LANDSCAPE], ids=["upright", "sideways"])
def test_nothing_sticks_out_on_a_phone(new_caller, names, shape):
    """Even the smallest phone shows every button of every state, and never scrolls sideways."""
    alice, bob = new_caller(**shape).open(), new_caller()

    def fits():
        width = alice.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1] == shape["viewport"]["width"]

    def shows_all_controls():
        fits()
        for button in alice.page.get_by_role("group").get_by_role("button").all():
            expect(button).to_be_in_viewport(ratio=1)

    fits()
    alice.press("Check now")
    expect(alice.button("Check again")).to_be_visible()
    fits()
    alice.open(*names).reads(f"Waiting for {names[1]}")
    shows_all_controls()
    expect(alice.button("Copy invitation")).to_be_in_viewport(ratio=1)
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    shows_all_controls()
    for panel in ("Chat", "Quality", "Devices"):
        alice.press(panel)
        expect(alice.button("Close")).to_be_in_viewport(ratio=1)
        shows_all_controls()


def test_nothing_moves_for_whom_it_disturbs(new_caller, names):
    alice = new_caller(reduced_motion="reduce").open(*names)
    alice.reads(f"Waiting for {names[1]}")
    assert alice.page.evaluate("() => document.getAnimations().length") == 0


def test_the_state_is_in_the_title(alice, names):
    """Who waits in another tab sees in its title that the peer is there."""
    alice.open(*names)
    expect(alice.page).to_have_title(re.compile(f"^Waiting for {names[1]}"))
