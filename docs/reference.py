"""Writes what flask-reference.md says of the code from the code: ``python docs/reference.py``.

Each part between two comments of that file is written: from the docstrings of the public names, from the help of the
commands, and from the descriptions of the settings. A name that becomes public is in it without anything to do.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from blinker import NamedSignal

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "flask-reference.md"
sys.path.insert(0, str(ROOT))

import signaling  # noqa: E402
from signaling.cli.commands import commands  # noqa: E402
from signaling.config.env import variable_name  # noqa: E402
from signaling.config.extension_settings import ExtensionSettings  # noqa: E402
from signaling.gunicorn import install  # noqa: E402
from signaling.testing import SignalingClient  # noqa: E402
from signaling.web import signals  # noqa: E402
from signaling.web.tags import signaling_tags  # noqa: E402

WIDTH = 139
"""Characters in a line of text."""

OF_THE_SERVER = {"is_open", "send_text", "close"}
"""The methods of the client for tests that the server calls."""

# Each public name that is no text, such as __version__ is.
_public = {name: getattr(signaling, name) for name in signaling.__all__ if not name.startswith("_")}


class Doc(NamedTuple):
    """A docstring in Markdown."""

    text: str
    """Its paragraphs."""
    sections: dict[str, list[tuple[str, str]]]
    """The names and the descriptions of ``Args``, ``Raises`` and ``Attributes``."""


def read(docstring: str | None) -> Doc:
    """Return a docstring in Markdown."""
    first, *rest = re.split(
        r"^(Args|Raises|Returns|Attributes):\n", inspect.cleandoc(docstring or ""), flags=re.MULTILINE
    )
    sections = {
        title: [
            (name, _markdown(text)) for name, text in re.findall(r"^([\w.]+): (.*(?:\n +.*)*)", dedented, re.MULTILINE)
        ]
        for title, dedented in zip(rest[::2], map(textwrap.dedent, rest[1::2]), strict=True)
    }
    return Doc("\n\n".join(map(_markdown, re.split(r"\n\s*\n", first.strip()))), sections)


def _markdown(text: str) -> str:
    text = re.sub(r":meth:`~?(?:\w+\.)*(\w+)`", r"`\1()`", text)
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", text)
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


def entry(name: str, code: str, text: str, items: Iterable[tuple[str, str]] = ()) -> str:
    """Return one entry: a heading, how to write it, a text, and what there is to know of each part."""
    paragraphs = map(_wrap, text.split("\n\n"))
    known = "\n".join(_wrap(f"- {label}: {description}", "  ") for label, description in items)
    return "\n\n".join(filter(None, (f"### `{name}`", f"```python\n{code}\n```", *paragraphs, known))) + "\n"


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _items(doc: Doc) -> list[tuple[str, str]]:
    labels = {"Args": "`{}`", "Raises": "raises `{}`", "Attributes": "the attribute `{}`"}
    return [
        (label.format(name.rpartition(".")[2]), text)
        for title, label in labels.items()
        for name, text in doc.sections.get(title, [])
    ]


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return how to call a function: without the types of its arguments, which the text says, and with its result."""
    shown = inspect.signature(function)
    parameters = [each.replace(annotation=each.empty) for each in shown.parameters.values() if each.name != "self"]
    result = str(shown.return_annotation)
    call = shown.replace(parameters=parameters, return_annotation=shown.empty)
    return f"{name}{call}" + ("" if result == "None" or function.__name__ == "__init__" else f" -> {result}")


def is_decorator(function: Callable[..., Any]) -> bool:
    """Return whether a method returns the function that it gets."""
    shown = inspect.signature(function)
    return shown.return_annotation in [each.annotation for each in shown.parameters.values()]


def function_entry(name: str, function: Callable[..., Any]) -> str:
    """Return the entry of a function or a method."""
    doc = read(function.__doc__)
    return entry(name, signature(name, function), doc.text, _items(doc))


def class_entry(kind: type) -> str:
    """Return the entry of a class that one makes objects of."""
    doc, init = read(kind.__doc__), read(kind.__init__.__doc__)  # type: ignore[misc]
    code = signature(kind.__name__, kind.__init__)  # type: ignore[misc]
    return entry(kind.__name__, code, doc.text, [*_items(init), *_items(doc)])


def value_entry(kind: type) -> str:
    """Return the entry of a class whose objects an app gets, with its fields and their descriptions."""
    doc = read(kind.__doc__)
    fields = [*_fields(kind), *((f"`{name}`", text) for name, text in doc.sections.get("Attributes", []))]
    rows = [row("attribute", ""), row("---", "---"), *(row(*each) for each in fields)]
    return "\n\n".join((f"### `{kind.__name__}`", *map(_wrap, doc.text.split("\n\n")), "\n".join(rows))) + "\n"


def _fields(kind: type) -> Iterator[tuple[str, str]]:
    [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for each, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(following, ast.Expr):
            yield f"`{ast.unparse(each.target)}: {ast.unparse(each.annotation)}`", _markdown(_text(following))
        elif isinstance(each, ast.FunctionDef) and not each.name.startswith("_") and each.returns is not None:
            yield f"`{each.name}: {ast.unparse(each.returns)}`", _markdown(ast.get_docstring(each) or "")


def _text(statement: ast.Expr) -> str:
    assert isinstance(statement.value, ast.Constant)
    return inspect.cleandoc(str(statement.value.value))


def error_entry(kind: type) -> str:
    """Return the entry of an exception."""
    doc = read(kind.__doc__)
    return entry(kind.__name__, f"class {kind.__name__}({kind.__bases__[0].__name__})", doc.text)


def signal_entry(name: str, signal: NamedSignal) -> str:
    """Return the entry of a signal, with a receiver."""
    doc = read(signal.__doc__)
    values = ", ".join(["app", *(name for name, _ in doc.sections["Args"]), "**_"])
    return entry(name, f"@{name}.connect\ndef receive({values}): ...", doc.text, _items(doc))


def methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of a class, in the order of the code; those of its bases come last."""
    for each in kind.__mro__:
        if each.__module__.startswith("signaling."):
            yield from ((name, it) for name, it in vars(each).items() if inspect.isfunction(it) and name[0] != "_")


def command_rows() -> str:
    """Return the table of the commands, and that of their options."""
    lines = [row("command", "what it does"), row("---", "---")]
    options: dict[tuple[str, str], list[str]] = {}
    for name, command in commands.commands.items():
        arguments = [each.make_metavar(click.Context(command)) for each in command.params if not _is_option(each)]
        lines.append(row(f"`{' '.join(['flask signaling', name, *arguments])}`", _markdown(command.help or "")))
        for each in command.params:
            if isinstance(each, click.Option):
                metavar = "" if each.is_flag else f" {each.metavar or each.opts[0].strip('-').upper()}"
                default = f" The default is {each.default}." if each.show_default else ""
                options.setdefault((f"{each.opts[0]}{metavar}", f"{each.help}{default}"), []).append(name)
    lines += ["", row("option", "of", ""), row(*["---"] * 3)]
    for (option, text), names in options.items():
        of = "all" if len(names) == len(commands.commands) else ", ".join(f"`{name}`" for name in names)
        lines.append(row(f"`{option}`", of, text))
    return "\n".join(lines) + "\n"


def _is_option(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option)


def setting_rows() -> str:
    """Return the table of the settings that only an app has."""
    lines = [row("setting", "default", "meaning"), row(*["---"] * 3)]
    for field in msgspec.structs.fields(ExtensionSettings):
        default = "empty" if field.default == "" else f"`{in_words(field.default)}`"
        [description] = [meta.description for meta in field.type.__metadata__ if meta.description]
        lines.append(row(f"`{variable_name(field.name)}`", default, description))
    return "\n".join(lines) + "\n"


def in_words(default: Any) -> str:
    """Return a default as one writes it in the environment."""
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def _of_kind(kind: type | tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    return ((name, each) for name, each in _public.items() if inspect.isclass(each) and issubclass(each, kind))


def parts() -> dict[str, str]:
    """Return all that is written, by the name in its comment."""
    own = dict(methods(signaling.Signaling))
    decorators = {name: each for name, each in own.items() if is_decorator(each)}
    of_tests = ((name, each) for name, each in methods(SignalingClient) if name not in OF_THE_SERVER)
    found: dict[str, Iterable[str]] = {
        "object": [class_entry(signaling.Signaling), function_entry("signaling.init_app", own.pop("init_app"))],
        "decorators": [
            entry(f"@signaling.{name}", f"@signaling.{name}\ndef {_EXAMPLES[name]}: ...", read(each.__doc__).text)
            for name, each in decorators.items()
        ],
        "methods": [function_entry(f"signaling.{name}", each) for name, each in own.items() if name not in decorators],
        # In the order of a call.
        "signals": [signal_entry(name, each) for name, each in vars(signals).items() if name in _public],
        "values": [value_entry(each) for _, each in _of_kind((msgspec.Struct, list))],
        "errors": [error_entry(each) for _, each in _of_kind(Exception)],
        "functions": [
            *(function_entry(name, each) for name, each in _public.items() if inspect.isfunction(each)),
            function_entry("signaling_tags", signaling_tags),
            function_entry("signaling.gunicorn.install", install),
        ],
        "tests": [class_entry(SignalingClient), *(function_entry(f"client.{name}", each) for name, each in of_tests)],
        "commands": [command_rows()],
        "settings": [setting_rows()],
    }
    return {name: "\n".join(entries) for name, entries in found.items()}


_EXAMPLES = {"user_loader": "who()", "authorizer": "may_call(user, peer)"}
"""The functions that the decorators get."""


def written(document: str) -> str:
    """Return the document with each part as it should be.

    Raises:
        KeyError: a comment names no part.
        ValueError: a part has no comment.
    """
    missing = parts()

    def write(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{missing.pop(found[2])}\n{found[3]}"

    pattern = r"(<!-- make reference writes (\w+) -->)\n.*?(<!-- to here -->)"
    text = re.sub(pattern, write, document, flags=re.DOTALL)
    if missing:
        raise ValueError(f"{FILE.name} has no place for: {', '.join(missing)}")
    return text


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text()))
