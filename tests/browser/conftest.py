"""Real Chromium pages with a fake camera, each with one user in it."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.caller import Caller
from tests.browser.pair import Pair
from tests.browser.profiles import Profiles

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The second of them takes pictures of depth, which no call carries; the third is an ordinary camera again.
    # A quarter of the usual pictures a second, since painting them is much of what a call costs.
    "--use-fake-device-for-media-stream=device-count=3,fps=5",
    "--allow-loopback-in-peer-connection",
]


@contextmanager
def launching():
    """Launch Chromium, once for each set of flags. Meanwhile Playwright forbids asyncio to every other test."""
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


@pytest.fixture(scope="package")
def chromium():
    with launching() as launch:
        yield launch


@pytest.fixture(scope="package")
def profiles(chromium, certificate):
    return Profiles(chromium, certificate)


@pytest.fixture
def new_profile(profiles):
    """Hand out profiles: used ones, good as new, but to who will leave traces.

    A clock that is wound is such a trace (`own`), since clocks are the profile's. So is what the user allows.
    """
    shared, owned = [], []

    def new(own=False, **kind):
        if own or "allowed" in kind:
            owned.append(profiles.make(**kind))
            return owned[-1]
        shared.append(profiles.take(**kind))
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


@pytest.fixture(scope="module")
def pair(profiles, server):
    contexts = profiles.take(), profiles.take()
    yield Pair(*(Caller(context.new_page(), server.url) for context in contexts))
    for context in contexts:
        profiles.trim(context)


@pytest.fixture
def one_call(pair):
    """A call that is under way for the whole module; the test leaves it as it found it."""
    found = pair.enter()
    yield pair.callers
    pair.leave(found)


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
