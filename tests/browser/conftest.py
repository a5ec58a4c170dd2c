"""Real Chromium pages with a fake camera, each with one user in it."""

import base64
import hashlib
import os
import re

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
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
]
PATIENCE = 20_000  # milliseconds; a first frame takes about 1,500

# The page keeps its connections to itself, so they are noted as they are made.
NOTE_CONNECTIONS = """
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.connections.push(this); }
    };
"""
DECODES_MORE_THAN = """async (seen) => {
    let decoded = 0;
    for (const report of (await window.connections.at(-1)?.getStats())?.values() ?? [])
        if (report.type === 'inbound-rtp' && report.kind === 'video') decoded = report.framesDecoded;
    return decoded > seen && document.querySelector('#remote').videoWidth > 0 && decoded;
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
        expect(self.page.get_by_role("status")).to_contain_text(words, timeout=PATIENCE)

    def sees_live_video(self):
        decoded = self.page.wait_for_function(DECODES_MORE_THAN, arg=5, timeout=PATIENCE).json_value()
        self.page.wait_for_function(DECODES_MORE_THAN, arg=decoded, timeout=PATIENCE)

    def is_in_a_call_with(self, peer):
        self.reads(f"In a call with {peer}")
        self.sees_live_video()

    def hang_up(self):
        self.page.get_by_role("button", name="Hang up").click()

    def join(self):
        self.page.get_by_role("button", name="Join").click()


@pytest.fixture(scope="module")
def chromium():
    """Launch Chromium; it ends with the module, since a running Playwright forbids asyncio to every other test."""
    with sync_playwright() as playwright:
        launched = {}

        def launch(*flags):
            if flags not in launched:
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
    browser = chromium(f"--ignore-certificate-errors-spki-list={spki_hash(server.certificate)}")
    callers, contexts, strangers = [], [], []

    def new(beside=None):
        if beside is None:
            context = browser.new_context()
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
