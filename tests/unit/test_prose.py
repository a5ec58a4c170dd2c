"""What people read is plain English: short sentences, the subject first, and this project's words.

CONTRIBUTING.md has the rules; here are those that a program can check. A file joins FILES when it is rewritten.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/flask-reference.md",
    "docs/flask.md",
    "docs/logs.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/privacy.md",
    "docs/rotation.md",
    "docs/scaling.md",
    "docs/security.md",
    "docs/tests.md",
    "docs/webhook.md",
    "tests/benchmarks/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/examples").rglob("*.md")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/examples").rglob("*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "signaling").rglob("*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "signaling").rglob("*.lua")),
]
MODULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "signaling/web/static").rglob("*.js"))
MAX_WORDS = 30

# Enough to tell "what is dropped is counted", a sentence, from "what is dropped", a description in a table.
VERB = r"\b(?:is|are|was|were|has|have|had|does|do|can|may|must|will|gets?|goes|comes?|stays?|needs?|ends?|begins?)\b"

FORBIDDEN = {
    # A question may begin so, and so may a heading.
    "a who… or what… clause is the subject": re.compile(
        r"^(?!.*\?$)(?:(?:And |But )?(?:Who|What)(?:ever)?\b|"
        rf"(?:.*[;:\u2013\u2014] )?(?:and |but )?(?:who|what)(?:ever)?\b.*{VERB}.*{VERB})"
    ),
    "anew: restart, again": re.compile(r"\banew\b", re.IGNORECASE),
    "fault: error, failure, bug": re.compile(r"\bfaults?\b", re.IGNORECASE),
    "a user is they": re.compile(r"\b(?:he|him|his|himself|she|her|hers|herself)\b", re.IGNORECASE),
    "pass on: forward": re.compile(r"\bpass(?:es|ed|ing)? (?:\w+ )?on\b", re.IGNORECASE),
    "whom: plainer": re.compile(r"\bwhom(?:ever)?\b", re.IGNORECASE),
}


def complaints(block: str, *, title: bool = False) -> Iterator[str]:
    """Yield what is wrong with a paragraph, an item of a list or a cell of a table."""
    for sentence in re.split(r"(?<=[.!?])[)\"\u201d]*\s+", block):
        words = re.findall(r"\w[\w'\u2019.,/-]*", sentence)
        if len(words) > MAX_WORDS:
            yield f"{len(words)} words: {sentence}"
        for reason, pattern in FORBIDDEN.items():
            if pattern.search(sentence) and not (title and reason.startswith("a who")):
                yield f"{reason}: {sentence}"


def plain(text: str) -> str:
    """Return Markdown or reStructuredText without its marks; code, a link's target and a picture are no prose."""
    text = re.sub(r"``.+?``|`[^`]*`", "CODE", text)
    text = re.sub(r"<img[^>]* alt=\"([^\"]*)\"[^>]*>", r"\1", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", text)).strip()


def markdown_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each heading, paragraph, item and table cell, and whether it is a heading."""
    text = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.|\|) |#)", text):
        if block.lstrip().startswith("|"):
            yield from ((plain(cell), False) for cell in re.split(r"(?<!\\)\|", block))
        else:
            marks = re.match(r"\s*(#+ |[-*] |\d+\. |> )?", block)
            assert marks is not None
            yield plain(block[marks.end() :]), block.lstrip().startswith("#")


def python_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each paragraph of the docstrings, and each comment; lines of comment that follow each other are one."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for paragraph in re.split(
                r"\n\s*\n|\n(?=\s*[\w.*]+: )|\b(?:Args|Raises|Returns|Yields):\n", ast.get_docstring(node) or ""
            ):
                if "::" not in paragraph and not paragraph.startswith("    "):
                    yield plain(re.sub(r"^\s*[\w.*]+: ", "", paragraph)), False
    comment, last = "", 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"# (?:noqa|type:|ruff:)", token.string):
            if token.start[0] != last + 1:
                yield plain(comment), False
                comment = ""
            comment, last = f"{comment} {token.string.lstrip('#! ')}", token.start[0]
    yield plain(comment), False


def javascript_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each paragraph and each tag of the JSDoc, and each comment; a tag's type and name are no prose."""
    for comment in re.findall(r"/\*\*(.*?)\*/", text, re.DOTALL):
        for block in re.split(r"\n\s*\n|\n(?=\s*(?:@|- ))", re.sub(r"^\s*\* ?", "", comment, flags=re.MULTILINE)):
            tag = re.match(r"\s*@(\w+)\s*(?:\{.*\})?\s*", block, re.DOTALL)
            named = tag is not None and tag[1] in {"param", "property", "typedef", "template"}
            yield plain(re.sub(r"^\S+\s*", "", block[tag.end() :]) if named and tag else block), False
    for comment in re.findall(r"(?:^ *// .*\n)+", text, re.MULTILINE):
        yield plain(re.sub(r"^ *// ", "", comment, flags=re.MULTILINE)), False


def lua_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each comment; a line that begins with the name of an argument begins a comment of its own."""
    for comment in re.findall(r"(?:^ *--.*\n)+", text, flags=re.MULTILINE):
        for paragraph in re.split(r"^ *--(?:$| (?=KEYS|ARGV))", comment, flags=re.MULTILINE):
            yield plain(re.sub(r"^ *--", "", paragraph, flags=re.MULTILINE)), False


READERS = {".py": python_blocks, ".js": javascript_blocks, ".lua": lua_blocks, ".md": markdown_blocks}


@pytest.mark.parametrize("name", [*FILES, *MODULES])
def test_it_is_plain_english(name: str):
    blocks = READERS[Path(name).suffix]((ROOT / name).read_text())
    found = [complaint for block, title in blocks for complaint in complaints(block, title=title)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "sentence",
    [
        "Who alone is replaced by a newer connection gets 4001.",
        "What is over the limit is dropped.",
        "Whoever runs the server must be able to read the key.",
        "The server counts all of them; what is dropped is counted too.",
        "who has no token must wait",
        "A process that stands still is started anew.",
        "Look for the fault in the network.",
        "Only a user with a token joins, as himself.",
        "The message is passed on to the peer.",
        "An item says with whom they speak.",
        " ".join(["word"] * 31),
    ],
)
@pytest.mark.parametrize("form", ["{}", "- {}", "| `x` | {} |", "> {}", "1. {}", "**Bold.** {}"])
def test_what_the_rules_forbid_is_found_wherever_it_is(sentence: str, form: str):
    assert [
        c
        for block, title in markdown_blocks("Good.\n\n" + form.format(sentence))
        for c in complaints(block, title=title)
    ]


@pytest.mark.parametrize("code", ['"""{}"""', "# {}", 'def f():\n    """Good.\n\n    {}\n    """', "x = 1  # {}"])
def test_docstrings_and_comments_are_read(code: str):
    text = code.format("What is dropped is counted.")
    assert [c for block, title in python_blocks(text) for c in complaints(block, title=title)]


@pytest.mark.parametrize(
    "code", ["-- {}\n", "-- Good.\n-- {}\n", "local x = 1\n    -- {}\nlocal y = 2\n", "-- Good.\n--\n-- {}\n"]
)
def test_comments_of_lua_are_read(code: str):
    assert [c for block, _ in lua_blocks(code.format("What is dropped is counted.")) for c in complaints(block)]


@pytest.mark.parametrize(
    "text",
    [
        "Who may join?",
        "## What it needs",
        "The log says what is wrong, and who sent it.",
        "The users who left come back.",
        "| word | what it means |",
        "- what you sent, and what happened;",
        "```sh\nwhat is his fault # anew\n```",
        "See [the page](docs/who.md#his-fault) and `anew`.",
        " ".join(["word"] * 30),
    ],
)
def test_good_prose_is_left_alone(text: str):
    assert not [c for block, title in markdown_blocks(text) for c in complaints(block, title=title)]
