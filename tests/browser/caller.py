"""One user at one page, told what to do and asked what is seen there."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

from playwright.sync_api import expect

from tests.waiting import TIMEOUT

T = TypeVar("T")

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

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.forgiven: list[str] = []
        self.strangers: list[str] = []
        page.on("request", self._note_a_stranger)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note_an_error)

    def _note_a_stranger(self, request: Any) -> None:
        if not request.url.startswith(self.url):
            self.strangers.append(request.url)

    def _note_an_error(self, line: Any) -> None:
        if line.type == "error":
            self.complaints.append(line.text)

    def open(self, me: str = "", peer: str = "") -> Self:
        """Open the page, and join if it is told who calls whom."""
        query = f"?me={me}&peer={peer}" if me and peer else ""
        self.page.goto(f"{self.url}/{query}")
        self.settle()
        if query:
            self.join()
        return self

    def settle(self) -> None:
        """Wait until a press counts: one that comes sooner may have been meant for the page before."""
        self.until("() => 'settled' in document.querySelector('#setup').dataset")

    def reads(self, words: str) -> None:
        expect(self.page.get_by_role("status")).to_contain_text(words)

    def until(self, condition: str, arg: Any = None) -> Any:
        """Wait until the JavaScript function says yes, or something as good, and return that."""
        # Playwright's own `wait_for_function` takes a promise for a yes, whatever it brings.
        return self.wait_until(lambda: self.page.evaluate(condition, arg), condition)

    def wait_until(self, look: Callable[[], T], what: str = "") -> T:
        """Return what `look` finds as soon as it is something.

        Playwright dispatches requests and events meanwhile, which a plain sleep would keep it from.
        """
        deadline = time.monotonic() + TIMEOUT
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {TIMEOUT:.0f} seconds: {what or inspect.getsource(look)}"
            self.page.wait_for_timeout(50)
        return found

    def forgive(self, *words: str) -> None:
        """Expect complaints with one of these words, now and until the end of the test."""
        self.forgiven += words

    def unforgiven(self) -> list[str]:
        return [told for told in self.complaints if not any(word in told for word in self.forgiven)]

    def sees_live_video(self) -> None:
        self.until(DECODES_MORE_THAN, self.until(DECODES_MORE_THAN, 1))

    def is_in_a_call_with(self, peer: str) -> None:
        self.reads(f"In a call with {peer}")
        self.sees_live_video()

    def hang_up(self) -> None:
        self.page.get_by_role("button", name="Hang up").click()

    def join(self) -> None:
        self.settle()
        self.press("Join the call")

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()

    def shows(self, words: str) -> None:
        expect(self.page.get_by_text(words).filter(visible=True).first).to_be_visible()

    def own_tracks(self) -> Any:
        """What is captured here: the label of the device and whether it is on, by kind."""
        return self.page.evaluate(
            """() => Object.fromEntries((document.querySelector('#preview-video').srcObject?.getTracks() ?? [])
                .map(({ kind, label, enabled }) => [kind, [label, enabled]]))"""
        )
