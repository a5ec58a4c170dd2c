"""One user at the page in Firefox, told and asked the same as one in Chromium."""

from __future__ import annotations

from typing import Any

from tests.browser.caller import Caller
from tests.browser.firefox.browser import Firefox
from tests.browser.firefox.page import Page

PRELOAD = """
    // The page keeps its connections to itself, so they are noted as they are made.
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) { super(...args); window.connections.push(this); }
    };
    // What the page's policy forbids, Firefox says to a person at its console only.
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        console.error(`forbidden by ${violatedDirective}: ${blockedURI}`);
    });
"""


class FirefoxCaller(Caller):
    def __init__(self, firefox: Firefox, url: str, preload: str = "") -> None:
        self.page = Page(firefox, PRELOAD + preload)
        self.url = url

    def settle(self) -> None:
        """A window behind another one counts no press; a person brings it to the front first."""
        self.page.ask("browsingContext.activate")
        super().settle()

    def reads(self, words: str) -> None:
        self.until("(words) => document.querySelector('[role=status]').textContent.includes(words)", words)

    def shows(self, words: str) -> None:
        self.until("(words) => document.body.innerText.includes(words)", words)

    def button(self, name: str) -> Any:
        """The one button of this name, as soon as it is there."""
        [button] = self.wait_until(lambda: self.page.find("button", name), f"a button {name!r}")
        return button

    def press(self, name: str) -> None:
        self.page.click(self.button(name))

    def hang_up(self) -> None:
        self.press("Hang up")
