"""An X display for nobody's eyes: the screen that Firefox shares."""

from __future__ import annotations

import os
import subprocess


class Display:
    """`Xvfb` on the first number that is free; for use in a `with`."""

    def __enter__(self) -> Display:
        reader, writer = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", "320x240x24"],
            pass_fds=[writer],
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        with os.fdopen(reader) as numbers:
            number = numbers.readline().strip()
        assert number, "Xvfb does not start"
        self.name = f":{number}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
