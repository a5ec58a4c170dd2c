"""The state of a server, which is written whatever the environment holds."""

from __future__ import annotations

from pathlib import Path

from signaling.config.process_state import FILE, read
from signaling.config.settings import Settings
from signaling.server import state


def test_a_name_that_is_no_text_does_not_keep_the_server_from_its_start(tmp_path: Path):
    # Python decodes the byte 0xff of an environment to this.
    state.write(Settings(), {"RUNTIME_DIRECTORY": str(tmp_path), "SIGNALING_FO\udcffO": "1"})
    assert read(tmp_path / FILE).unknown_settings == ("SIGNALING_FO\\udcffO",)
