"""Real Chromium pages with a fake camera, each with one user in it."""

import base64
import hashlib
import os
import re
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect, sync_playwright

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
# Whatever a page asks for is allowed, and a screen is chosen for it.
ALLOW = "--use-fake-ui-for-media-stream"
PATIENCE = 20_000  # milliseconds; a first frame takes about 1,500
expect.set_options(timeout=PATIENCE)

# The page keeps its connections to itself, so they are noted as they are made.
NOTE_CONNECTIONS = """
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.connections.push(this); }
    };
"""
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
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))

    def open(self, me="", peer=""):
        query = f"?me={me}&peer={peer}" if me and peer else ""
        self.page.goto(f"{self.url}/{query}")
        return self

    def reads(self, words):
        expect(self.page.get_by_role("status")).to_contain_text(words)

    def until(self, condition, arg=None):
        """Wait until the JavaScript function says yes, or something as good, and return that."""
        # Playwright's own `wait_for_function` takes a promise for a yes, whatever it brings.
        deadline = time.monotonic() + PATIENCE / 1000
        while not (answer := self.page.evaluate(condition, arg)):
            assert time.monotonic() < deadline, f"not within {PATIENCE} ms: {condition}"
            self.page.wait_for_timeout(50)
        return answer

    def sees_live_video(self):
        self.until(DECODES_MORE_THAN, self.until(DECODES_MORE_THAN, 5))

    def is_in_a_call_with(self, peer):
        self.reads(f"In a call with {peer}")
        self.sees_live_video()

    def hang_up(self):
        self.page.get_by_role("button", name="Hang up").click()

    def join(self):
        self.press("Join")

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


@pytest.fixture
def new_caller(server, chromium):
    """Make callers, each in a browser profile of its own; no page may complain, or ask a stranger for anything."""
    trusting = f"--ignore-certificate-errors-spki-list={spki_hash(server.certificate)}"
    callers, contexts, strangers = [], [], []

    def new(beside=None, allowed=None, **profile):
        """`allowed`: the permissions that the user grants, refusing all others; None: whatever is asked for."""
        if beside is None:
            context = (chromium(trusting, ALLOW) if allowed is None else chromium(trusting)).new_context(**profile)
            if allowed:
                context.grant_permissions(allowed)
            context.add_init_script(NOTE_CONNECTIONS)
            context.on("request", lambda request: request.url.startswith(server.url) or strangers.append(request.url))
            contexts.append(context)
        else:
            context = beside.page.context
        callers.append(Caller(context.new_page(), server.url))
        return callers[-1]

    yield new
    for context in contexts:
        context.close()
    assert [caller.complaints for caller in callers if caller.complaints] == []
    assert strangers == []


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


def spki_hash(certificate):
    """What Chromium knows a certificate it shall trust by: the hash of its public key."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
