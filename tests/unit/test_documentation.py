"""The documents say what the code does: every setting, every code, every message, and no link leads nowhere."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

import signaling
from signaling import Signaling
from signaling.cli.commands import commands
from signaling.config.env import is_secret, variable_name
from signaling.config.extension_settings import ExtensionSettings
from signaling.config.names import OTHER_SECURITY_SETTINGS, SECURITY_WORDS
from signaling.config.settings import Settings
from signaling.protocol import errors, replies
from signaling.protocol.codes import CloseCode, ErrorCode
from signaling.rooms.session import Session

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
SETTINGS = ROOT / "docs" / "settings.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
TESTS = ROOT / "docs" / "tests.md"
FLASK = ROOT / "docs" / "flask.md"
REFERENCE = ROOT / "docs" / "flask-reference.md"
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = [
    README,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "ansible").rglob("*.md")),
    ROOT / "tests/benchmarks/README.md",
]

specification = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
assert specification is not None
assert specification.loader is not None
reference = importlib.util.module_from_spec(specification)
specification.loader.exec_module(reference)


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


def test_every_setting_is_listed_with_its_default_and_its_sentence():
    assert rows(section(SETTINGS, "Every setting")) == described_settings()


def test_a_limit_that_is_a_setting_has_its_default():
    defaults = {variable_name(field.name): field.default for field in msgspec.structs.fields(Settings)}
    pattern = r"^\|[^|]+\| ([\d,]+)(?: (?!MiB)\w+)*, `(SIGNALING_\w+)`"
    limits = {name: limit for limit, name in re.findall(pattern, section(SETTINGS, "Limits"), re.MULTILINE)}
    assert len(limits) >= 3
    assert limits == {name: f"{defaults[name]:,.0f}" for name in limits}


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 200


@pytest.mark.parametrize(("language", "document"), [("html", "client.md"), ("python", "flask.md")])
def test_an_example_of_the_readme_is_the_one_that_is_tested(language: str, document: str):
    [code] = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    assert f"```{language}\n{code}```" in (ROOT / "docs" / document).read_text()


def test_make_help_lists_every_target():
    [phony] = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    make = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = dict(line.split(maxsplit=1) for line in make.stdout.splitlines())
    assert listed.keys() == set(phony.replace("\\", "").split())
    assert all(listed.values())


def test_the_documents_name_no_target_of_make_that_is_none():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = set()
    for document in DOCUMENTS:
        text = document.read_text()
        code = "\n".join(re.findall(r"```sh\n.*?```|`[^`\n]+`", text, re.DOTALL))
        named |= set(re.findall(r"^`?(?:[A-Z_]+=\S+ )*make ([a-z-]+)", code, re.MULTILINE))
    named |= set(re.findall(r"^\| .* \| `([a-z-]+)` \| ", section(TESTS, "The suites"), re.MULTILINE))
    assert {"run", "test", "unit", "soak"} <= named
    assert named <= targets


def test_every_suite_is_in_the_inventory():
    named = set(re.findall(r"\]\(\.\./(tests/[\w/]+)\)", section(TESTS, "The suites")))
    patterns = ("test_*.py", "*.test.js")
    files = [
        path for pattern in patterns for path in (ROOT / "tests").rglob(pattern) if "node_modules" not in path.parts
    ]
    folders = {str(path.parent.relative_to(ROOT)) for path in files}
    # The folders of the unit tests are those of the packages, and one suite.
    assert named >= {folder if not folder.startswith("tests/unit/") else "tests/unit" for folder in folders}


def test_the_map_of_the_architecture_names_every_module_at_its_package():
    rows = re.findall(r"^\| \[`([a-z/]+)/`\]\(\.\./signaling.*?\| (.*) \|", ARCHITECTURE.read_text(), re.MULTILINE)
    named = {name: set(re.findall(r"`([a-z_]+)`", row)) for name, row in rows}
    root = ROOT / "signaling"
    modules: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        folder = str(path.parent.relative_to(root)).replace(".", "signaling")
        modules.setdefault(folder, set()).add(path.stem)
    assert named.keys() == modules.keys()
    left_out = {"__init__", "__main__", "version"}
    assert [name for package, found in modules.items() for name in found - named[package] - left_out] == []


def test_the_documents_name_no_setting_that_is_none():
    named = {name for document in DOCUMENTS for name in re.findall(r"`(SIGNALING_\w+)[=`]", document.read_text())}
    assert named
    of_the_extension = {variable_name(field) for field in ExtensionSettings.__struct_fields__}
    assert named <= described_settings().keys() | of_the_extension


def test_every_error_code_has_its_row_and_no_other_has():
    assert rows(section(PROTOCOL, "Errors")).keys() == {code.value for code in ErrorCode}


def test_every_close_code_has_its_row_and_no_other_has():
    assert rows(section(PROTOCOL, "Close codes")).keys() == {str(code.value) for code in CloseCode}


def test_every_message_of_a_client_has_its_row():
    code = inspect.getsource(Session.receive) + inspect.getsource(replies.forwarded)
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
    for target in re.findall(r"(?:\]\(|<img src=\")([^)\s\"]+)", document.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (document.parent / path).resolve() if path else document
        assert leads_to.exists(), target
        assert leads_to.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(leads_to), target


def test_the_reference_is_what_it_is_written_from():
    assert REFERENCE.read_text() == reference.written(REFERENCE.read_text()), "run make reference"


def test_the_reference_has_every_public_name():
    headings = set(re.findall(r"^### `@?(?:signaling\.)?([\w.]+)`$", REFERENCE.read_text(), re.MULTILINE))
    methods = {name for name, _ in inspect.getmembers(Signaling, inspect.isfunction) if not name.startswith("_")}
    assert headings >= {*signaling.__all__, *methods, "gunicorn.install", "signaling_tags"} - {"__version__"}
    assert rows(section(REFERENCE, "Settings")).keys() >= {
        variable_name(field) for field in ExtensionSettings.__struct_fields__
    }


def test_the_reference_has_all_that_a_docstring_says():
    def end(call_id: str, *, reason: str = "") -> bool:
        """End a call.

        It is the second paragraph.

        Args:
            call_id: the id of the :class:`~signaling.Call`,
                as :meth:`calls` has it.
            reason: a sentence.

        Raises:
            signaling.Unavailable: ``Redis`` is away.
        """
        raise AssertionError(call_id, reason)

    assert reference.function_entry("end", end) == (
        "### `end`\n\n```python\nend(call_id, *, reason='') -> bool\n```\n\n"
        "End a call.\n\nIt is the second paragraph.\n\n"
        "- `call_id`: the id of the `Call`, as `calls()` has it.\n- `reason`: a sentence.\n"
        "- raises `Unavailable`: `Redis` is away.\n"
    )


def blocks_of(document: Path, title: str) -> list[tuple[str, str, str]]:
    """The code blocks of a section of level two: the paragraph before each, its language and its text."""
    return re.findall(r"([^\n]*(?:\n[^\n]+)*)\n\n```(\w+)\n(.*?)```", section(document, title), re.DOTALL)


def test_each_block_of_the_tutorial_is_in_the_file_that_is_named_above_it():
    checked = 0
    for above, language, code in blocks_of(FLASK, "A clinic, step by step"):
        if language == "sh":
            continue
        *_, name, target = re.findall(r"\[`([\w.]+)`\]\((examples/[^)]+)\):$", above)[-1]
        file = FLASK.parent / target
        assert file.name == name
        text, at = file.read_text(), 0
        for piece in re.split(r"^(?:#|//) …\n", code, flags=re.MULTILINE):
            at = text.find(f"\n{piece}", at) + 1
            assert at, f"{target} has no\n{piece}"
            at += len(piece) - 1
        checked += 1
    assert checked >= 10


def test_the_documents_name_every_command_of_flask_and_no_other():
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    named = set(re.findall(r"\bflask (?:--app \S+ )?signaling ([a-z-]+)", text))
    assert named == set(commands.commands)
    table = section(REFERENCE, "Commands")
    assert set(re.findall(r"^\| `flask signaling ([a-z-]+)", table, re.MULTILINE)) == named


def test_the_document_names_every_block_of_the_call_page():
    template = (ROOT / "signaling/web/templates/signaling/call_base.html").read_text()
    blocks = set(re.findall(r"\{%-? block (\w+)", template))
    [sentence] = re.findall(r"^The blocks are (.*?)\.", section(REFERENCE, "Templates"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == blocks


def test_the_names_that_end_the_start_are_those_of_the_rule():
    rule = section(SETTINGS, "Names").partition("Any other name")[0]
    words = set(re.findall(r"`([A-Z]+)`", rule))
    assert words == set(SECURITY_WORDS)
    others = {name for name in set(re.findall(r"`(SIGNALING_\w+)`", rule)) if not any(word in name for word in words)}
    assert others == OTHER_SECURITY_SETTINGS
