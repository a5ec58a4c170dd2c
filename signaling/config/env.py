"""How settings are read from text: names, conversion, and what is said of a wrong value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Meta

PREFIX = "SIGNALING_"

MAX_WORKERS = 1_000
"""Workers of one host at the most."""

MAX_SHOWN = 200
"""Characters of a wrong value that are shown."""

# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_service_port = re.compile(r"SIGNALING_(\w+_)?PORT")
_service_url = re.compile(r"(tcp|udp|sctp)://")
_service_variable = re.compile(
    r"SIGNALING_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)

SECRET = Meta(extra={"secret": True})
"""Marks a setting whose value is never shown."""


class SettingsError(ValueError):
    """A setting has a value the service cannot run with; ``str()`` of it is the one line to show."""


def variable_name(field: str) -> str:
    """Return the environment variable of a field of :class:`~signaling.config.settings.Settings`."""
    return "PORT" if field == "port" else PREFIX + field.upper()


def misspelled(environ: Mapping[str, Any], fields: Iterable[str]) -> list[tuple[str, str]]:
    """Return each name with our prefix that is no setting, and the setting whose name is nearest."""
    known = [variable_name(field) for field in fields]
    return [
        (name, difflib.get_close_matches(name, known, n=1, cutoff=0)[0])
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in known and not _is_of_kubernetes(name, str(value))
    ]


def _is_of_kubernetes(name: str, value: str) -> bool:
    """Tell if Kubernetes sets it in each pod, for a Service called ``signaling`` or ``signaling-…``."""
    if _service_variable.fullmatch(name):
        return True
    # Somebody may mean PORT.
    return bool(_service_port.fullmatch(name) and _service_url.match(value))


def web_concurrency(environ: Mapping[str, str]) -> int | None:
    """Return how many workers ``WEB_CONCURRENCY`` asks for, None if it is not set.

    Raises:
        SettingsError: it is no number of workers.
    """
    value = environ.get("WEB_CONCURRENCY")
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,4}", value) and 1 <= int(value) <= MAX_WORKERS:
        return int(value)
    raise SettingsError(
        f"WEB_CONCURRENCY={shown(value)} is not usable: it must be a whole number from 1 to {MAX_WORKERS}, "
        "or not set at all"
    )


def shown(value: object) -> str:
    """Return a value of a setting as it is shown: on one line, and not longer than somebody reads."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def convert(variable: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Return the value of a setting, given as text or as a value of its own.

    Raises:
        SettingsError: naming the variable, its value unless it is a secret, and what would be right.
    """
    kind = msgspec.inspect.type_info(field.type)
    lists = isinstance(field.default, tuple)
    items = [item for item in re.split(r"[,\s]+", value) if item] if lists and isinstance(value, str) else value
    try:
        if is_secret(field) and isinstance(value, str):
            value.encode()
        return msgspec.convert(items, field.type, strict=False)
    # Text that is no UTF-8 is a ValueError.
    except (msgspec.ValidationError, ValueError):
        given = "" if is_secret(field) else f"={shown(value)}"
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
        case msgspec.inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
    return "text"
