"""compose.yaml takes every setting, apart from the port and the address, which the container itself settles."""

from __future__ import annotations

import re
from pathlib import Path

from signaling.config.env import variable_name
from signaling.config.settings import Settings

COMPOSE = Path(__file__).parents[2] / "compose.yaml"


def test_every_setting_can_be_set():
    passed_on = set(re.findall(r"^ +(SIGNALING_\w+):", COMPOSE.read_text(), re.MULTILINE))
    settings = {variable_name(name) for name in Settings.__struct_fields__}
    assert passed_on == settings - {"PORT"}
