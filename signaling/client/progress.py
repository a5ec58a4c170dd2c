"""What came of a user's calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ENOUGH_PICTURES = 10


class CallProgress:
    """How the calls of one user went, and a way to wait until they went well.

    Attributes:
        asks: whether this user sends a question on the data channel, or only answers those of the other.
        state: the connection's, as RTCPeerConnection names it.
        pictures: how many came.
        latency: the seconds that the question took to come back, or None.
        echoed: how many messages of the other were sent back.
        over: whether a call was ended, by either side.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.state = "not begun"
        self.pictures = 0
        self.latency: float | None = None
        self.echoed = 0
        self.over = False
        self._news = asyncio.Event()

    def state_is(self, state: str) -> None:
        """Note a new state of the connection."""
        self.state = state
        if state == "closed":
            self.end()
        self._news.set()

    def end(self) -> None:
        """Note that a call was ended."""
        self.over = True
        self._news.set()

    def picture_came(self) -> None:
        """Count one more."""
        self.pictures += 1
        self._news.set()

    def echo_came(self, seconds: float) -> None:
        """Note how long the echo took."""
        self.latency = seconds
        self._news.set()

    @property
    def good(self) -> bool:
        """Whether all that a call is for has come; a peer that is content sooner leaves, and sends no more pictures."""
        enough = 1 if self.over else ENOUGH_PICTURES
        return self.latency is not None and self.pictures >= enough

    async def until(self, condition: Callable[[CallProgress], bool]) -> None:
        """Wait for what is hoped for."""
        while not condition(self):
            self._news.clear()
            await self._news.wait()

    def __str__(self) -> str:
        if not self.asks:
            return f"{self.pictures} pictures, {self.echoed} echoed"
        echo = "no echo" if self.latency is None else f"echo after {self.latency * 1000:.1f} ms"
        return f"{self.state}, {self.pictures} pictures, {echo}"
