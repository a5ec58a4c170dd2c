"""compose.yaml takes every setting, apart from the port and the address, and its limits are those of the settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from signaling.config.env import variable_name
from signaling.config.settings import Settings
from signaling.transport.pending_connections import SPARE_PLACES

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
MONITORING = ROOT / "docs/monitoring/compose.yaml"
SERVICES = {
    name: service
    for path in (COMPOSE, MONITORING)
    for name, service in yaml.safe_load(path.read_text())["services"].items()
}
SERVICE = SERVICES["signaling"]


def default(value: Any) -> str:
    """Return the default in ``${NAME:-default}``."""
    found = re.fullmatch(r"\$\{[A-Z_]+:-([^}]+)\}", value)
    assert found, value
    return found[1]


def test_every_setting_can_be_set():
    passed_on = {name for name in SERVICE["environment"] if name.startswith("SIGNALING_")}
    settings = {variable_name(name) for name in Settings.__struct_fields__}
    assert passed_on == settings - {"PORT"}


def test_the_image_has_the_name_of_its_release_and_comes_from_no_registry():
    assert re.fullmatch(r"webrtc-signaling:\$\{SIGNALING_RELEASE:\?[^}]+\}", SERVICE["image"])
    assert SERVICE["pull_policy"] == "never"
    assert set(SERVICE["build"]["args"]) == set(
        re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    )


def test_as_many_files_may_be_open_as_the_limit_of_connections_takes():
    assert int(default(SERVICE["ulimits"]["nofile"])) == Settings().max_connections + SPARE_PLACES


def test_a_stop_gives_the_drain_its_time():
    assert default(SERVICE["stop_grace_period"]) == f"{Settings().drain_seconds + 10:g}s"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_privilege_and_no_limitless_memory_or_log(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version(name: str):
    image = SERVICES[name]["image"]
    assert ":" in image.rpartition("/")[2].replace(":-", "")
    assert "latest" not in image


def test_the_image_checks_its_health():
    text = (ROOT / "Dockerfile").read_text()
    assert 'CMD ["python", "-m", "signaling.health"]' in text
