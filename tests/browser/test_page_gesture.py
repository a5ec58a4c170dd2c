"""A link turns nothing on: camera, microphone and the call wait for a press in this page."""

import jwt
import pytest
from playwright.sync_api import expect

from tests.driver import Server
from tests.long import rest_long

STRANGER = "https://stranger.example"
# What a stranger's page would set going: devices and sockets, from the first script on.
NOTE_DEVICES = """
    window.captures = [];
    const { mediaDevices } = navigator;
    const ask = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = (wanted) => { window.captures.push(wanted); return ask(wanted); };
"""
IN_CALL_VIEW = "() => document.body.dataset.view === 'call'"


@pytest.fixture
def visitor(new_caller):
    """A person whose browser allows this site everything, at a stranger's page."""
    alice = new_caller()
    alice.sockets = []
    watch(alice, alice.page)
    page = "<title>Stranger</title><body style='margin: 0'>"
    alice.page.context.route(f"{STRANGER}/**", lambda route: route.fulfill(body=page, content_type="text/html"))
    alice.page.goto(STRANGER)
    yield alice
    alice.strangers.clear()
    alice.page.context.unroute(f"{STRANGER}/**")


def watch(caller, page):
    page.add_init_script(NOTE_DEVICES)
    page.on("websocket", lambda socket: caller.sockets.append(socket.url))


def is_untouched(caller, page=None):
    """The page shows who would call whom, and nothing was opened."""
    page = page or caller.page
    expect(page.get_by_role("button", name="Join the call")).to_be_visible()
    assert not page.evaluate(IN_CALL_VIEW)
    assert page.evaluate("() => window.captures") == []
    assert caller.sockets == []


def link(caller, names, extra=""):
    return f"{caller.url}/?me={names[0]}&peer={names[1]}{extra}"


@pytest.mark.parametrize("extra", rest_long(["", "&preview", "#token=of-the-stranger"]))
def test_a_strangers_link_waits_for_a_press(visitor, names, extra):
    visitor.page.evaluate("(url) => { location.href = url; }", link(visitor, names, extra))
    visitor.page.wait_for_url("**/?me=*")
    is_untouched(visitor)
    expect(visitor.page.get_by_role("heading", name=f"Call {names[1]} as {names[0]}")).to_be_visible()
    visitor.join()
    visitor.reads(f"Waiting for {names[1]}")


def test_the_page_without_names_opens_no_camera(visitor):
    visitor.page.evaluate("(url) => { location.href = url; }", visitor.url)
    visitor.page.wait_for_url(f"{visitor.url}/")
    is_untouched(visitor)


def test_a_window_that_a_stranger_opens_waits_for_a_press(visitor, names):
    """Neither a new window nor another hash in it is a press."""
    with visitor.page.context.expect_page() as opened:
        visitor.page.evaluate("(url) => { window.opened = open('about:blank'); }", None)
    watch(visitor, opened.value)
    visitor.page.evaluate("(url) => { opened.location = url; }", link(visitor, names))
    opened.value.wait_for_url("**/?me=*")
    is_untouched(visitor, opened.value)
    visitor.page.evaluate("(url) => { opened.location = url; }", link(visitor, names, "#token=other"))
    opened.value.wait_for_function("() => sessionStorage.getItem('signaling-token') === 'other'")
    is_untouched(visitor, opened.value)


def in_a_call(visitor, names):
    """It has begun for this page as soon as it waits for the peer."""
    visitor.page.goto(link(visitor, names))
    visitor.join()
    visitor.reads(f"Waiting for {names[1]}")


def test_a_reload_goes_back_into_the_call_once(visitor, names):
    """A reload is no new call. After a hang-up it is nothing at all."""
    in_a_call(visitor, names)
    visitor.sockets.clear()
    visitor.page.reload()
    visitor.reads(f"Waiting for {names[1]}")
    assert len(visitor.sockets) == 1
    visitor.hang_up()
    visitor.reads("You hung up")
    visitor.sockets.clear()
    visitor.page.reload()
    is_untouched(visitor)


@pytest.mark.long
def test_a_reload_after_the_way_back_is_no_call(visitor, names):
    """The person went on to another page and back. What comes out of the browser's memory, or is loaded, waits."""
    in_a_call(visitor, names)
    visitor.page.goto(STRANGER)
    visitor.sockets.clear()
    visitor.page.evaluate("() => history.back()")
    visitor.page.wait_for_url("**/?me=*")
    expect(visitor.button("Join the call")).to_be_visible()
    assert visitor.sockets == []
    visitor.page.reload()
    is_untouched(visitor)


def test_the_tab_of_a_call_may_be_led_back_but_not_into_the_call(visitor, names):
    """A stranger who knows the pair sends the tab to the link of the call that it was in."""
    in_a_call(visitor, names)
    visitor.page.goto(STRANGER)
    visitor.sockets.clear()
    visitor.page.evaluate("(url) => { location.replace(url); }", link(visitor, names))
    visitor.page.wait_for_url("**/?me=*")
    is_untouched(visitor)


def test_a_copy_of_the_tab_waits_for_a_press(visitor, names):
    """A window that this page's own origin opens has a copy of the tab's memory."""
    in_a_call(visitor, names)
    visitor.sockets.clear()
    with visitor.page.context.expect_page() as opened:
        visitor.page.evaluate("() => { window.copy = open(location.href); }")
    watch(visitor, opened.value)
    opened.value.reload()
    is_untouched(visitor, opened.value)


def test_a_key_that_is_held_is_not_a_press(visitor, names):
    """Enter was pressed on the page before, and repeats on this one for as long as it is held."""
    visitor.page.keyboard.down("Enter")
    visitor.page.goto(link(visitor, names))
    visitor.page.get_by_role("button", name="Join the call").focus()
    for _ in range(3):
        visitor.page.keyboard.down("Enter")
    settle(visitor)
    for _ in range(3):
        visitor.page.keyboard.down("Enter")
    is_untouched(visitor)
    visitor.page.keyboard.up("Enter")
    visitor.page.keyboard.press("Enter")
    visitor.reads(f"Waiting for {names[1]}")


def settle(caller):
    caller.until("() => 'settled' in document.querySelector('#setup').dataset")


@pytest.mark.parametrize("name", rest_long(["Join the call", "Turn on camera and microphone", "Check now"]))
def test_a_click_that_began_elsewhere_is_not_a_press(visitor, names, name):
    """The second half of a double click falls on a page that has just appeared; so do the clicks of who goes on."""
    visitor.page.goto(link(visitor, names))
    # At once, without the wait of a person who reads first.
    clicks = """async (name) => {
        const button = [...document.querySelectorAll('#setup button')].find(({ innerText }) => innerText === name);
        button.scrollIntoView({ block: 'center' });
        const { x, y, width, height } = button.getBoundingClientRect();
        return [x + width / 2, y + height / 2];
    }"""
    x, y = visitor.page.evaluate(clicks, name)
    visitor.page.evaluate("() => window.dispatchEvent(new Event('blur'))")
    for _ in range(5):
        visitor.page.mouse.click(x, y)
    is_untouched(visitor)
    visitor.shows("Press again")
    settle(visitor)
    visitor.page.mouse.click(x, y)
    visitor.until("() => window.captures.length > 0")


class TestWithTokens:
    SECRET = "the secret that the app and this server share"

    @pytest.fixture
    def server(self, certificate):
        with Server(certificate, SIGNALING_JWT_KEY=self.SECRET) as running:
            yield running

    def test_a_good_token_of_the_strangers_joins_nobody(self, visitor, names):
        """With authentication, the token in the link is the stranger's."""
        token = jwt.encode({"sub": names[0], "peer": names[1], "exp": 4_000_000_000}, self.SECRET)
        visitor.page.evaluate("(url) => { location.href = url; }", link(visitor, names, f"#token={token}"))
        visitor.page.wait_for_url("**/?me=*")
        is_untouched(visitor)
