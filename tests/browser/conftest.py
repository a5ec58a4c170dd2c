"""Real Chromium pages with a fake camera, each with one user in it."""

import inspect
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.profiles import Profiles
from tests.waiting import TIMEOUT

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The second of them takes pictures of depth, which no call carries; the third is an ordinary camera again.
    "--use-fake-device-for-media-stream=device-count=3",
    "--allow-loopback-in-peer-connection",
]
expect.set_options(timeout=1_000 * TIMEOUT)

DECODES_MORE_THAN = """async (seen) => {
    const video = document.querySelector('#remote');
    const [track] = video.srcObject?.getVideoTracks() ?? [];
    for (const report of (await window.connections.at(-1)?.getStats())?.values() ?? [])
        if (report.type === 'inbound-rtp' && report.trackIdentifier === track?.id)
            return video.videoWidth > 0 && report.framesDecoded > seen && report.framesDecoded;
}"""


class Caller:
    """One user at one page, told what to do and asked what is seen there."""

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.complaints = []
        self.forgiven = []
        self.strangers = []
        page.on("request", self._note_a_stranger)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))

    def _note_a_stranger(self, request):
        if not request.url.startswith(self.url):
            self.strangers.append(request.url)

    def open(self, me="", peer=""):
        """Open the page, and join if it is told who calls whom."""
        query = f"?me={me}&peer={peer}" if me and peer else ""
        self.page.goto(f"{self.url}/{query}")
        self.settle()
        if query:
            self.join()
        return self

    def settle(self):
        """Wait until a press counts: one that comes sooner may have been meant for the page before."""
        self.until("() => 'settled' in document.querySelector('#setup').dataset")

    def reads(self, words):
        expect(self.page.get_by_role("status")).to_contain_text(words)

    def until(self, condition, arg=None):
        """Wait until the JavaScript function says yes, or something as good, and return that."""
        # Playwright's own `wait_for_function` takes a promise for a yes, whatever it brings.
        return self.wait_until(lambda: self.page.evaluate(condition, arg), condition)

    def wait_until(self, look: Callable[[], object], what=""):
        """Return what `look` finds as soon as it is something.

        Playwright dispatches requests and events meanwhile, which a plain sleep would keep it from.
        """
        deadline = time.monotonic() + TIMEOUT
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {TIMEOUT:.0f} seconds: {what or inspect.getsource(look)}"
            self.page.wait_for_timeout(50)
        return found

    def forgive(self, *words):
        """Expect complaints with one of these words, now and until the end of the test."""
        self.forgiven += words

    def unforgiven(self):
        return [told for told in self.complaints if not any(word in told for word in self.forgiven)]

    def sees_live_video(self):
        self.until(DECODES_MORE_THAN, self.until(DECODES_MORE_THAN, 5))

    def is_in_a_call_with(self, peer):
        self.reads(f"In a call with {peer}")
        self.sees_live_video()

    def hang_up(self):
        self.page.get_by_role("button", name="Hang up").click()

    def join(self):
        self.settle()
        self.press("Join the call")

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name):
        self.button(name).click()

    def shows(self, words):
        expect(self.page.get_by_text(words).filter(visible=True).first).to_be_visible()

    def own_tracks(self):
        """What is captured here: the label of the device and whether it is on, by kind."""
        return self.page.evaluate(
            """() => Object.fromEntries((document.querySelector('#preview-video').srcObject?.getTracks() ?? [])
                .map(({ kind, label, enabled }) => [kind, [label, enabled]]))"""
        )


@pytest.fixture(scope="module")
def chromium():
    """Launch Chromium; it ends with the module, since a running Playwright forbids asyncio to every other test."""
    with sync_playwright() as playwright:
        launched = {}

        def launch(*flags):
            if flags not in launched or not launched[flags].is_connected():
                launched[flags] = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=[*FLAGS, *flags], chromium_sandbox=os.getuid() != 0
                )
            return launched[flags]

        yield launch
        for browser in launched.values():
            browser.close()


@pytest.fixture(scope="module")
def profiles(chromium, certificate):
    return Profiles(chromium, certificate)


@pytest.fixture
def new_profile(profiles):
    """Hand out profiles: used ones, good as new, but to who will leave traces or wants one of a certain kind.

    A clock that is wound is such a trace (`own`), since clocks are the profile's.
    """
    shared, owned = [], []

    def new(own=False, **kind):
        if own or kind:
            owned.append(profiles.make(**kind))
            return owned[-1]
        shared.append(profiles.take())
        return shared[-1]

    yield new
    for context in owned:
        context.close()
    for context in shared:
        profiles.trim(context)


@pytest.fixture
def new_caller(server, new_profile):
    """Make callers, each in a browser profile of its own; no page may complain, or ask a stranger for anything."""
    callers = []

    def new(beside=None, **kind):
        context = beside.page.context if beside else new_profile(**kind)
        callers.append(Caller(context.new_page(), server.url))
        return callers[-1]

    yield new
    for caller in callers:
        caller.page.close()
    assert [told for caller in callers if (told := caller.unforgiven())] == []
    assert [caller.strangers for caller in callers if caller.strangers] == []


@pytest.fixture
def call(alice, bob, names):
    """A call that is under way: alice was there first."""
    me, peer = names
    alice.open(me, peer).reads(f"Waiting for {peer}")
    bob.open(peer, me)
    alice.is_in_a_call_with(peer)
    bob.is_in_a_call_with(me)
    return alice, bob


@pytest.fixture
def alice(new_caller):
    return new_caller()


@pytest.fixture
def bob(new_caller):
    return new_caller()


@pytest.fixture
def names(request):
    """Two user ids of the test's own, so that tests that share a server share no room."""
    test = re.sub(r"\W+", "-", request.node.name)
    return f"alice-{test}", f"bob-{test}"


@pytest.fixture(scope="session")
def axe():
    """axe-core's source, which make installs as package-lock.json pins it."""
    return (Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def faultless(axe):
    """Assert that axe-core finds nothing at a page, colour contrast among what it looks at."""

    def check(caller):
        # DevTools evaluate it, whom the page's policy does not bind. What fades is looked at when it is there, or gone.
        caller.page.evaluate(axe)
        caller.until(
            "() => document.getAnimations().every(({ playState, effect }) => playState !== 'running' || "
            "effect.getComputedTiming().iterations === Infinity)"
        )
        found = caller.page.evaluate("async () => (await axe.run()).violations")
        faults = [f"{one['impact']}: {one['id']} at {[node['target'] for node in one['nodes']]}" for one in found]
        assert faults == []

    return check
