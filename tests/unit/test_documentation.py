"""The documents say what the code does: every setting, every code, every message, and no link leads nowhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signaling.config.env import is_secret, variable_name
from signaling.config.settings import Settings
from signaling.protocol import errors, replies
from signaling.protocol.codes import CloseCode, ErrorCode
from signaling.rooms.session import Session

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
DOCUMENTS = [
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "ansible").rglob("*.md")),
    ROOT / "tests/benchmarks/README.md",
]


def section(document: Path, title: str) -> str:
    """The text below a heading of level two, to the next one."""
    parts = re.split(r"^## (.+)$", document.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def rows(text: str) -> dict[str, list[str]]:
    """The table rows whose first cell is one word in backticks, by that word: the cells behind it."""
    table: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"\| `([^`]+)` \| (.*) \|", line):
            table.setdefault(found[1], []).extend(found[2].split(" | "))
    return table


def in_words(default: Any) -> str:
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default not in ("", ()) else "empty"


def described_settings() -> dict[str, list[str]]:
    properties = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    return {
        variable_name(field.name): [in_words(field.default), properties[field.name]["description"]]
        for field in msgspec.structs.fields(Settings)
    }


def test_the_settings_that_are_never_shown_are_those_that_the_operator_is_told_of():
    sentence = section(ROOT / "docs/deployment.md", "Secrets").partition("are in no log line")[0]
    secrets = {variable_name(field.name) for field in msgspec.structs.fields(Settings) if is_secret(field)}
    assert set(re.findall(r"`(\w+)`", sentence)) == secrets


def test_the_readme_lists_every_setting_with_its_default_and_its_sentence():
    assert rows(section(README, "Settings")) == described_settings()


def test_the_documents_name_no_setting_that_is_none():
    named = {name for document in DOCUMENTS for name in re.findall(r"`(SIGNALING_\w+)[=`]", document.read_text())}
    assert named
    assert named <= described_settings().keys()


def test_every_error_code_has_its_row_and_no_other_has():
    assert rows(section(PROTOCOL, "Errors")).keys() == {code.value for code in ErrorCode}


def test_every_close_code_has_its_row_and_no_other_has():
    assert rows(section(PROTOCOL, "Close codes")).keys() == {str(code.value) for code in CloseCode}


def test_every_message_of_a_client_has_its_row():
    code = inspect.getsource(Session.receive) + inspect.getsource(replies.relayed)
    known = set(re.findall(r'== "(\w+)"', code))
    assert {"join", "candidate"} <= known
    assert rows(section(PROTOCOL, "Client to server")).keys() == known


def test_every_reply_has_its_row():
    # A candidate is inside a message, so that it is none of its own.
    known = set(re.findall(r'\{"type": ?"(\w+)"', inspect.getsource(replies))) - {"candidate"}
    assert "roomInfo" in known
    assert rows(section(PROTOCOL, "Server to client")).keys() == known


def test_the_words_of_every_fixed_error_are_there():
    text = section(PROTOCOL, "Errors")
    for error in (errors.not_in_room(), errors.peer_absent(), errors.replaced()):
        assert f"| `{error.code}` | `{error}` |" in text


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (document.parent / path).resolve() if path else document
        assert leads_to.exists(), target
        assert leads_to.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(leads_to), target
