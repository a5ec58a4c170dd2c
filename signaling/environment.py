"""How settings are read from text: names, conversion, and what is said of a wrong value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from msgspec import Meta

PREFIX = "SIGNALING_"

SECRET = Meta(extra={"secret": True})
"""Marks a setting whose value is never shown."""


class SettingsError(ValueError):
    """A setting has a value the service cannot run with; ``str()`` of it is the one line to show."""


def variable_name(field: str) -> str:
    """Return the environment variable of a field of :class:`~signaling.settings.Settings`."""
    return "PORT" if field == "port" else PREFIX + field.upper()


def misspelled(names: Iterable[str], fields: Iterable[str]) -> list[tuple[str, str]]:
    """Return each of the names with our prefix that is no setting, and the setting whose name is nearest."""
    known = [variable_name(field) for field in fields]
    return [
        (name, difflib.get_close_matches(name, known, n=1, cutoff=0)[0])
        for name in names
        if name.startswith(PREFIX) and name not in known
    ]


def convert(variable: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Return the value of a setting, given as text or as a value of its own.

    Raises:
        SettingsError: naming the variable, its value unless it is a secret, and what would be right.
    """
    kind = msgspec.inspect.type_info(field.type)
    lists = isinstance(field.default, tuple)
    items = [item for item in re.split(r"[,\s]+", value) if item] if lists and isinstance(value, str) else value
    try:
        return msgspec.convert(items, field.type, strict=False)
    except msgspec.ValidationError:
        given = "" if is_secret(field) else f"={value!r}"
        default = "" if lists else field.default
        raise SettingsError(
            f"{variable}{given} is not usable: it must be {expected(kind)} (default {default!r})"
        ) from None


def is_secret(field: msgspec.structs.FieldInfo) -> bool:
    """Tell if the value of a setting is never to be shown."""
    return SECRET in get_args(field.type)


def expected(kind: msgspec.inspect.Type) -> str:
    """Say what a value of this type must be, in words that go on from "it must be"."""
    match kind:
        case msgspec.inspect.Metadata(extra_json_schema={"title": title, "examples": [example]}):
            return f"{title} such as {example}"
        case msgspec.inspect.Metadata(type=inner) | msgspec.inspect.VarTupleType(item_type=inner):
            return expected(inner)
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.FloatType(gt=None, ge=low, le=high):
            return f"a number from {low} to {high}"
        case msgspec.inspect.FloatType(gt=low, le=high):
            return f"a number over {low} and at most {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
    return "text"
