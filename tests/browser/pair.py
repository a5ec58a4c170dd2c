"""Two pages in a call that the tests of a module share."""

from __future__ import annotations

from typing import Any

from tests.browser.caller import Caller


class Pair:
    """Two in a call that several tests share; each leaves it as it found it."""

    names = "alice-in-one-call", "bob-in-one-call"

    def __init__(self, alice: Caller, bob: Caller) -> None:
        self.callers = alice, bob
        self.found: list[Any] | None = None

    def enter(self) -> list[Any]:
        """Begin the call, unless it goes on from the test before."""
        if self.found is None:
            alice, bob = self.callers
            # After a test that failed, bob may still be in the call.
            bob.page.goto("about:blank")
            alice.open(*self.names).reads(f"Waiting for {self.names[1]}")
            bob.open(*reversed(self.names))
            for caller, peer in zip(self.callers, reversed(self.names), strict=True):
                caller.is_in_a_call_with(peer)
                caller.reads("connected directly")
        found, self.found = self.found or self.look(), None
        return found

    def leave(self, found: list[Any]) -> None:
        """Nobody may notice that there was a test; one that changed the call, or failed, leaves none to the next."""
        alice = self.callers[0]
        alice.wait_until(lambda: self.look() == found, f"{found}, but {self.look()}")
        assert [told for caller in self.callers for told in caller.complaints] == []
        assert [url for caller in self.callers for url in caller.strangers] == []
        self.found = found

    def look(self) -> list[Any]:
        return [(caller.page.evaluate(VIEW), caller.own_tracks()) for caller in self.callers]


# The buttons that are there, pressed or not, the words beside them, and what is captured.
VIEW = """() => [
    document.querySelector('#status').innerText,
    ...[...document.querySelectorAll('button')].filter((button) => button.checkVisibility()).map((button) =>
        `${button.innerText} ${button.getAttribute('aria-label')} ${button.getAttribute('aria-expanded')}`),
    ...['#remote', '#local', '#screen', '#preview-video'].map((selector) => {
        const element = document.querySelector(selector);
        const tracks = element.srcObject?.getTracks().filter(({ readyState }) => readyState === 'live') ?? [];
        return `${selector} ${element.checkVisibility()} ${tracks.map(({ label, enabled }) => label + enabled).sort()}`;
    }),
]"""
