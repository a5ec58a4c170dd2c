"""Read settings from the environment: their names, their conversion, and the messages about wrong values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Meta

S = TypeVar("S", bound=msgspec.Struct)

PREFIX = "SIGNALING_"

MAX_WORKERS = 1_000
"""The most workers of one host."""

MAX_SHOWN = 200
"""Characters of a wrong value that a message shows."""

RENAMED: dict[str, str] = {}
"""The old names of settings, and their new ones. An old name works for one minor version."""

SECRET = Meta(extra={"secret": True})
"""Marks a setting whose value no message may show."""


class SettingsError(ValueError):
    """A setting that the server cannot run with; ``str()`` of it is the one line to show."""


def variable_name(field: str) -> str:
    """Return the environment variable of a field of :class:`~signaling.config.settings.Settings`."""
    return "PORT" if field == "port" else PREFIX + field.upper()


def with_new_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with the new name of each setting that has an old one, also behind the name of an instance.

    Raises:
        SettingsError: the old name and the new one have different values.
    """
    found = dict(values)
    for old, new in renamed(values):
        if new in values and values[new] != values[old]:
            raise SettingsError(f"{old} is the old name of {new}, and both have different values; remove {old}")
        found[new] = found.pop(old)
    return found


def renamed(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each name in ``values`` that is an old one of a setting, and its new name."""
    parts = ((name, *name.rpartition(PREFIX)) for name in values)
    return [
        (name, instance + RENAMED[prefix + rest]) for name, instance, prefix, rest in parts if prefix + rest in RENAMED
    ]


def web_concurrency(environ: Mapping[str, str]) -> int | None:
    """Return the number of workers in ``WEB_CONCURRENCY``, None if it is not set.

    Raises:
        SettingsError: it is not a number of workers.
    """
    value = environ.get("WEB_CONCURRENCY")
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,4}", value) and 1 <= int(value) <= MAX_WORKERS:
        return int(value)
    raise SettingsError(
        f"WEB_CONCURRENCY: {shown(value)} is not usable; write a whole number from 1 to {MAX_WORKERS}, or unset it"
    )


def shown(value: object) -> str:
    """Return the value of a setting for a message: on one line, and at most :data:`MAX_SHOWN` characters."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def load(kind: type[S], environ: Mapping[str, Any]) -> S:
    """Return the settings of a struct from ``environ``: ``os.environ``, or a Flask config with the same names.

    Raises:
        SettingsError: a value cannot be used. The message names the variable, the value unless it is a secret, and
            what to write instead.
    """
    values, written = {}, with_new_names(environ)
    for field in msgspec.structs.fields(kind):
        variable = variable_name(field.name)
        if variable in written:
            values[field.name] = convert(variable, written[variable], field)
    return kind(**values)


def convert(variable: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Return ``value`` as the type of the setting ``field``; it is text, or a value of a Flask config.

    Raises:
        SettingsError: the value cannot be used. The message names the variable, the value unless it is a secret, and
            what to write instead.
    """
    is_list = isinstance(field.default, tuple)
    items = [item for item in re.split(r"[,\s]+", value) if item] if is_list and isinstance(value, str) else value
    try:
        if is_secret(field) and isinstance(value, str):
            value.encode()
        return msgspec.convert(items, field.type, strict=False)
    # ValueError: the text is not UTF-8.
    except (msgspec.ValidationError, ValueError):
        raise SettingsError(f"{variable}: {_problem(items, field)}") from None


def _problem(value: Any, field: msgspec.structs.FieldInfo) -> str:
    """Return what is wrong with a value that cannot be converted, and what to write instead."""
    wanted = expected(msgspec.inspect.type_info(field.type))
    if is_secret(field):
        return f"the value is not usable; write {wanted}"
    is_list = isinstance(field.default, tuple)
    if is_list and isinstance(value, list):
        value = next((item for item in value if not _is_usable([item], field)), value)
    if isinstance(value, str) and "://" not in value and "such as https://" in wanted:
        url = f"https://{value}"
        if len(url) <= MAX_SHOWN and _is_usable([url] if is_list else url, field):
            return f"{shown(value)} has no scheme; write {url}"
    otherwise = ", or leave it empty" if field.default in ("", ()) else f" (default {field.default!r})"
    return f"{shown(value)} is not usable; write {wanted}{otherwise}"


def _is_usable(value: Any, field: msgspec.structs.FieldInfo) -> bool:
    try:
        msgspec.convert(value, field.type, strict=False)
    except (msgspec.ValidationError, ValueError):
        return False
    return True


def check_both(purpose: str, **values: object) -> None:
    """Check that both of two variables are set, or neither; ``purpose`` is the part of the server that needs both.

    Raises:
        SettingsError: only one is set.
    """
    missing = [variable for variable, value in values.items() if not value]
    if len(missing) == 1:
        raise SettingsError(f"{missing[0]} is not set: {purpose} needs both {' and '.join(values)}")


def is_secret(field: msgspec.structs.FieldInfo) -> bool:
    """Return whether the value of a setting must not be shown."""
    return SECRET in get_args(field.type)


def expected(kind: msgspec.inspect.Type) -> str:
    """Return in words what a value of this type must be."""
    match kind:
        case msgspec.inspect.Metadata(extra_json_schema={"title": title, "examples": [example]}):
            return f"{title} such as {example}"
        case msgspec.inspect.Metadata(type=inner) | msgspec.inspect.VarTupleType(item_type=inner):
            return expected(inner)
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
    return "text"
