"""What the roles say twice, they say alike."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

specification = importlib.util.spec_from_file_location("document", ROOT / "ansible" / "document.py")
assert specification is not None
assert specification.loader is not None
document = importlib.util.module_from_spec(specification)
specification.loader.exec_module(document)


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*file, id=str(file[0].relative_to(ROOT))) for file in document.files().items()]
)
def test_a_written_file_is_what_it_is_written_from(path: Path, text: str):
    assert path.read_text() == text, "run make ansible-docs"


def test_every_role_is_documented():
    written = {path.relative_to(document.ROLES).parts[0] for path in document.files() if path.name == "README.md"}
    assert written == {"certbot", "coturn", "firewall", "redis", "signaling"}


def test_a_variable_begins_with_the_name_of_its_role():
    for role in document.ROLES.iterdir():
        assert all(name.startswith(f"{role.name}_") for name in document.options(role))
