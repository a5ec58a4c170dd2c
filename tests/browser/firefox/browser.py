"""Debian's Firefox without a screen, told what to do over WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.waiting import TIMEOUT, wait_until

FIREFOX = "firefox-esr"
PREFERENCES = {
    # A camera and a microphone that are none, for whatever page asks.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # Small and slow, for the machine has other things to do as well.
    "media.navigator.video.default_width": 320,
    "media.navigator.video.default_height": 240,
    "media.navigator.video.default_fps": 10,
    "layout.frame_rate": 20,
    # As on a page that was clicked on before.
    "media.autoplay.default": 0,
    # Media finds its way on a machine whose only address is its own, and without anyone who knows a name for it.
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
}


class Firefox:
    """A browser of its own, with an empty profile in `folder`; for use in a `with`."""

    def __init__(self, folder: Path, display: str) -> None:
        """`display`: the X display that is shared when a page shares the screen."""
        profile = folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("".join(lines))
        self._log = folder / "firefox.log"
        self.events: list[dict[str, Any]] = []
        self._asked = 0
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [FIREFOX, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
                env=os.environ | {"HOME": str(folder), "DISPLAY": display},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Firefox:
        try:
            # An answer has a whole screenshot in it.
            self._connection = connect(f"{self._address()}/session", max_size=None, open_timeout=TIMEOUT)
            self._socket = self._connection.__enter__()
            self.ask("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.ask("browser.close")
            self._connection.__exit__(None, None, None)
            self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()

    def _address(self) -> str:
        def found() -> re.Match[str] | None:
            return re.search(r"WebDriver BiDi listening on (ws://\S+)\n", self._log.read_text())

        wait_until(lambda: found() or self._process.poll() is not None, told=self._log.read_text)
        match = found()
        assert match is not None, f"Firefox ended: {self._log.read_text()}"
        return match[1]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are kept in `events`."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while (message := json.loads(self._socket.recv(TIMEOUT))).get("id") != self._asked:
            self.events.append(message)
        assert message["type"] == "success", f"{method}: {message['message']}"
        return dict(message["result"])
