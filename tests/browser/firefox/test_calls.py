"""The main path in Firefox, with Firefox or Chromium at the other end."""

import pytest

from tests.browser import walk
from tests.browser.client.wire import Wire

LOG_SAYS = "(words) => document.querySelector('[role=log]').innerText.includes(words)"
SEES_SCREEN = "() => document.querySelector('#screen').videoWidth > 0"
SEES_NO_SCREEN = "() => document.querySelector('#screen').hidden"
# What the page says from now on, however briefly, while media flow: on a busy machine they may be interrupted.
NOTE_WORDS = """() => {
    const status = document.querySelector('[role=status]');
    const note = () => {
        if (window.connections.at(-1).connectionState === 'connected') window.words.add(status.textContent);
    };
    window.words = new Set();
    note();
    new MutationObserver(note).observe(status, { childList: true });
}"""


def begin(first, second, names):
    """A call; `first` is there first, and so makes the offer."""
    me, peer = names
    first.open(me, peer).reads(f"Waiting for {peer}")
    second.open(peer, me)
    first.is_in_a_call_with(peer)
    second.is_in_a_call_with(me)


def chat(one, other, names):
    """What is written is announced and read; so is the answer."""
    one.press("Chat")
    one.page.keyboard.type("Can you hear me?")
    one.page.keyboard.press("Enter")
    other.shows(f"{names[0]}: Can you hear me?")
    other.press("Chat 1 new")
    other.until(LOG_SAYS, "Can you hear me?")
    other.page.keyboard.type("Very well")
    other.page.keyboard.press("Enter")
    one.until(LOG_SAYS, "Very well")


def share_the_screen(one, other):
    one.press("Share screen")
    other.until(SEES_SCREEN)
    other.sees_live_video()
    one.press("Stop sharing")
    other.until(SEES_NO_SCREEN)


def is_one_connection(caller):
    """Nothing was negotiated anew that had been negotiated."""
    return caller.page.evaluate("() => window.connections.length") == 1


def test_two_in_firefox_call_each_other_twice(alice, bob, names):
    """Pictures and chat go both ways; hanging up is said on both sides, and the call can begin again."""
    begin(alice, bob, names)
    chat(alice, bob, names)
    bob.hang_up()
    bob.reads("You hung up")
    alice.reads(f"{names[1]} left")

    bob.join()
    alice.is_in_a_call_with(names[1])
    bob.is_in_a_call_with(names[0])


@pytest.mark.parametrize("firefox_offers", [True, False], ids=["firefox offers", "chromium offers"])
def test_firefox_and_chromium_call_each_other(new_firefox, new_caller, names, firefox_offers):
    """Whoever was first: pictures and chat go both ways, and either side shares its screen."""
    alice, bob = (new_firefox(), new_caller()) if firefox_offers else (new_caller(), new_firefox())
    begin(alice, bob, names)
    chat(alice, bob, names)
    share_the_screen(alice, bob)
    share_the_screen(bob, alice)
    assert is_one_connection(alice)
    assert is_one_connection(bob)

    alice.hang_up()
    bob.reads(f"{names[0]} left")
    alice.join()
    bob.is_in_a_call_with(names[0])
    alice.is_in_a_call_with(names[1])


def test_a_camera_that_comes_in_mid_call(alice, bob, names):
    """One joins with the camera off; when it is on, the peer sees it, and so each time after it was off again."""
    alice.page.goto(f"{alice.url}/?me={names[0]}&peer={names[1]}")
    alice.settle()
    alice.press("Stop camera")
    alice.join()
    bob.open(*reversed(names))
    alice.is_in_a_call_with(names[1])
    bob.shows(f"{names[0]}'s camera is off")
    for _ in range(2):
        alice.press("Start camera")
        bob.sees_live_video()
        alice.press("Stop camera")
        bob.shows(f"{names[0]}'s camera is off")
    assert is_one_connection(alice)
    assert is_one_connection(bob)


def test_cameras_and_screens_come_and_go(new_firefox, names):
    """Each time the peer sees and hears what is there, and the descriptions do not grow."""
    alice, bob = (walk.Person(new_firefox(preload=walk.PRELOAD), name) for name in names)
    alice.peer, bob.peer = bob, alice
    begin(alice.caller, bob.caller, names)
    oracle = walk.Oracle(alice, bob, ears=False)
    for step in [walk.Person.stop_camera, walk.Person.share] * 2:
        for person in (alice, bob):
            for _ in range(2):
                step(person, 1, None)
                oracle.look()


def test_a_cut_socket_is_not_noticed(new_firefox, server, names):
    """Pictures go on without it, the page says nothing, and what needs it works once it is back."""
    with Wire(server.port) as wire:
        alice, bob = new_firefox(f"https://localhost:{wire.port}"), new_firefox()
        begin(alice, bob, names)
        for caller in (alice, bob):
            caller.reads("connected directly")
            caller.page.evaluate(NOTE_WORDS)
        wire.cut()
        alice.sees_live_video()
        bob.sees_live_video()
        # It is seen no sooner than the socket is back.
        alice.press("Share screen")
        alice.shows("You share your screen")
        wire.mend()
        bob.until(SEES_SCREEN)
        alice.press("Stop sharing")
        bob.until(SEES_NO_SCREEN)
        share_the_screen(bob, alice)
        for caller, peer in zip((alice, bob), reversed(names), strict=True):
            assert caller.page.evaluate("() => [...window.words]") == [f"In a call with {peer}, connected directly"]
            assert is_one_connection(caller)


def test_reloading_a_page_brings_the_call_back(alice, bob, names):
    """A reload in mid-call, of either page, ends in a call on both sides again."""
    begin(alice, bob, names)
    for reloaded, other, its_peer, its_name in ((alice, bob, *reversed(names)), (bob, alice, *names)):
        reloaded.page.reload()
        # In this order: the other one may not yet have noticed.
        reloaded.is_in_a_call_with(its_peer)
        other.is_in_a_call_with(its_name)
