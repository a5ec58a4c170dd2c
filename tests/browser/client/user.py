"""A user at a page that has nothing on it but the client: what a front-end developer begins with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

from playwright.sync_api import BrowserContext

from tests.driver import Server
from tests.waiting import TIMEOUT

MEDIA = {"audio": True, "video": True}

PAGE = """
<!doctype html>
<title>A call</title>
<video id="remote" autoplay playsinline muted></video>
<video id="screen" autoplay playsinline muted></video>
<script type="module">
  Object.assign(window, await import('/static/client.js'));
</script>
"""

CALL = """async ({ me, peer, url, media: constraints, options }) => {
    window.call = undefined;
    const media = constraints && await navigator.mediaDevices.getUserMedia(constraints);
    const signaling = new SignalingClient(url);
    const call = new Call(signaling, { media: media ?? undefined, ...options });
    Object.assign(window, { media, signaling, call, events: [], connections: [] });
    for (const type of ['status', 'media', 'screen', 'sharing', 'channel', 'message', 'error'])
        call.on(type, (detail) => events.push({ type, detail }));
    call.on('media', (stream) => { document.querySelector('#remote').srcObject = stream; });
    call.on('screen', (stream) => { document.querySelector('#screen').srcObject = stream; });
    call.join(me, peer);
}"""

FRAMES = """
    async function frames() {
        let decoded = 0;
        for (const report of (await call.connection?.getStats())?.values() ?? [])
            if (report.type === 'inbound-rtp' && report.kind === 'video') decoded += report.framesDecoded;
        return decoded;
    }
"""


class User:
    """Tells the page what to do, and waits for what is to be seen there."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self._url = f"{server.url}/healthz"  # any address of the server's whose answer is not a page of its own
        self.default = f"{server.ws_url}/ws"
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.open()

    def open(self) -> Self:
        """Open the page, or open it again."""
        self.page.goto(self._url)
        self.page.set_content(PAGE)
        self.page.wait_for_function("() => window.Call !== undefined")
        return self

    def calls(
        self, me: str, peer: str, url: str | None = None, media: Mapping[str, Any] | None = MEDIA, **options: Any
    ) -> Self:
        self.calls_at(0, me, peer, url, media, **options)
        self.waits("window.call !== undefined")
        return self

    def calls_at(
        self,
        moment: float,
        me: str,
        peer: str,
        url: str | None = None,
        media: Mapping[str, Any] | None = MEDIA,
        **options: Any,
    ) -> None:
        """Call at a moment to come, by the clock that all pages share; one that has passed is now."""
        arguments = {"me": me, "peer": peer, "url": url or self.default, "media": media, "options": options}
        self.page.evaluate(
            f"(arguments) => {{ setTimeout(() => ({CALL})(arguments), {moment} - Date.now()); }}", arguments
        )

    def tells(self, expression: str) -> Any:
        """What an expression comes to on the page."""
        return self.page.evaluate(expression)

    def waits(self, condition: str) -> Any:
        """What an expression comes to on the page, once that is true."""
        # Playwright's own waiting takes a promise for true.
        deadline = time.monotonic() + TIMEOUT
        while not (value := self.page.evaluate(f"async () => {{ {FRAMES} return {condition}; }}")):
            if time.monotonic() > deadline:
                seen = self.page.evaluate("JSON.stringify([window.call?.status, window.events], null, 1)")
                raise AssertionError(f"not {condition}: {seen}")
            self.page.wait_for_timeout(50)
        return value

    def is_(self, state: str, **details: Any) -> Self:
        conditions = [f"window.call?.status.state === '{state}'"]
        conditions += [f"call.status.{name} === {value!r}" for name, value in details.items()]
        self.waits(" && ".join(conditions))
        return self

    def sees_live_video(self) -> None:
        """More frames than now are decoded, and shown."""
        decoded = self.tells(f"(() => {{ {FRAMES} return frames(); }})()")
        self.waits(f"await frames() > {decoded + 1} && document.querySelector('#remote').videoWidth > 0")

    def told(self, type: str) -> Any:  # noqa: A002
        """The details of all events of a type."""
        return self.tells(f"events.filter((event) => event.type === '{type}').map((event) => event.detail)")

    def connections(self) -> Any:
        """How many RTCPeerConnections there were in this call."""
        return self.tells("connections.length")
