"""The outcome of a user's calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

ENOUGH_PICTURES = 10
"""Pictures that a check must get."""


class CallProgress:
    """How the calls of one user go, and a way to wait for that.

    Attributes:
        asks: whether this user sends a message and waits for its echo, or only echoes those of the peer.
        state: the state of the connection, as RTCPeerConnection names it.
        pictures: the number of pictures received.
        latency: seconds until the echo, None without an echo.
        echoed: the number of messages of the peer that were echoed.
        ended: whether either side has ended a call.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.state = "not begun"
        self.pictures = 0
        self.latency: float | None = None
        self.echoed = 0
        self.ended = False
        self._changed = asyncio.Event()

    def set_state(self, state: str) -> None:
        """Set the state of the connection."""
        self.state = state
        if state == "closed":
            self.end()
        self._changed.set()

    def end(self) -> None:
        """Record that a call has ended."""
        self.ended = True
        self._changed.set()

    def count_picture(self) -> None:
        """Count a picture."""
        self.pictures += 1
        self._changed.set()

    def set_latency(self, seconds: float) -> None:
        """Set the time until the echo."""
        self.latency = seconds
        self._changed.set()

    @property
    def succeeded(self) -> bool:
        """Whether the echo and enough pictures arrived. A peer that succeeds first may leave, so then one is enough."""
        enough = 1 if self.ended else ENOUGH_PICTURES
        return self.latency is not None and self.pictures >= enough

    async def wait_until(self, condition: Callable[[CallProgress], bool]) -> None:
        """Wait until ``condition`` is true."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()

    def __str__(self) -> str:
        if not self.asks:
            return f"{self.pictures} pictures, {self.echoed} echoed"
        echo = "no echo" if self.latency is None else f"echo after {self.latency * 1000:.1f} ms"
        return f"{self.state}, {self.pictures} pictures, {echo}"
