"""The test picture: colour bars that move, so that each picture differs from the one before."""

from __future__ import annotations

from aiortc import VideoStreamTrack
from av import VideoFrame

WIDTH, HEIGHT = 320, 240
# White, yellow, cyan, green, magenta, red, blue and black as Y, U and V (ITU-R BT.601).
BARS = [
    (235, 128, 128),
    (210, 16, 146),
    (170, 166, 16),
    (145, 54, 34),
    (106, 202, 222),
    (81, 90, 240),
    (41, 240, 110),
    (16, 128, 128),
]


class ColourBars(VideoStreamTrack):
    """A track of 30 pictures a second."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    async def recv(self) -> VideoFrame:
        """Wait for the time of the next picture, and return it."""
        timestamp, time_base = await self.next_timestamp()
        frame = colour_bars(self._number)
        self._number += 1
        frame.pts, frame.time_base = timestamp, time_base
        return frame


def colour_bars(number: int) -> VideoFrame:
    """Return picture ``number`` of the series. The bars move by two pixels from one picture to the next."""
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for channel, plane in enumerate(frame.planes):
        bar = plane.width // len(BARS)
        row = b"".join(bytes([colour[channel]]) * bar for colour in BARS)
        shift = number * 2 * plane.width // WIDTH % plane.width
        line = (row[shift:] + row[:shift]).ljust(plane.line_size, b"\0")
        plane.update(line * plane.height)
    return frame
