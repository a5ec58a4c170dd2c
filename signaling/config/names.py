"""The names of settings: which variables are ours, which of them are unknown, and which of those end the start."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

import msgspec

from .env import PREFIX, RENAMED, SettingsError, is_secret, variable_name
from .extension_settings import ExtensionSettings
from .settings import Settings

FIELDS = {
    variable_name(field.name): field for kind in (Settings, ExtensionSettings) for field in msgspec.structs.fields(kind)
}
"""Each setting by its variable."""

OPEN = f"{PREFIX}OPEN"
"""The setting that lets everybody in."""

OTHERS = ("PORT", "WEB_CONCURRENCY")
"""The variables of a server that lack our prefix."""

SECURITY_WORDS = (
    "AUTH",
    "BARRED",
    "JWT",
    "KEY",
    "ORIGIN",
    "PASSWORD",
    "PRIVACY",
    "SALT",
    "SECRET",
    "TLS",
    "TOKEN",
    "TRUSTED",
)
"""The words in the name of a security setting."""

OTHER_SECURITY_SETTINGS = {
    f"{PREFIX}{name}"
    for name in (
        *("BIND", "CONNECTIONS_PER_IP", "CONNECTION_RATE", "HASH_IDS", "HSTS_MAX_AGE", "METRICS_BIND", "OPEN"),
        "REDIS_CA",
    )
}
"""The other security settings, besides those whose value is a secret."""

_SAME = 0.75
"""The similarity from which on a name counts as a misspelled one: a letter or two are wrong."""

# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_service_port = re.compile(r"SIGNALING_(\w+_)?PORT")
_service_url = re.compile(r"(tcp|udp|sctp)://")
_service_variable = re.compile(
    r"SIGNALING_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


def is_own(name: str, value: str) -> bool:
    """Return whether a variable of the environment is a setting of the server, or is meant to be one."""
    return name in OTHERS or (name.startswith(PREFIX) and not _is_from_kubernetes(name, value))


def misspelled(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each variable with our prefix, in any form, that is no setting, with the setting of the nearest name."""
    return [
        (name, nearest(plain(name)))
        for name, value in environ.items()
        if plain(name).startswith(PREFIX)
        and name not in FIELDS
        and name not in RENAMED
        and not _is_from_kubernetes(name, str(value))
    ]


def plain(name: str) -> str:
    """Return ``name`` as settings are written: in capitals, with single underscores."""
    return re.sub("_+", "_", name.upper()).strip("_")


def nearest(name: str) -> str:
    """Return the known name that ``name`` is most like."""
    first, second = difflib.get_close_matches(name, list(FIELDS), n=2, cutoff=0)
    # Nobody must open their server since a hint says so.
    return second if first == OPEN and not _is_like(name.removeprefix(PREFIX), first) else first


def check_names(environ: Mapping[str, str]) -> None:
    """Check that no variable of the environment is meant for a security setting and is none.

    Raises:
        SettingsError: there is one.
    """
    for name, known in misspelled(environ):
        if is_security(name):
            raise SettingsError(f"{name} is not a setting; write {known}")


def is_security(name: str) -> bool:
    """Return whether ``name`` is a security setting, or is meant for one.

    Such a name has one of :data:`SECURITY_WORDS`, is one of the others, or differs from one by a letter or two.
    """
    if any(word in name.upper() for word in SECURITY_WORDS):
        return True
    # A named instance has its name before the prefix.
    rest = name.upper().rpartition(PREFIX)[2]
    closest = nearest(PREFIX + rest)
    return (closest in OTHER_SECURITY_SETTINGS or is_secret(FIELDS[closest])) and _is_like(rest, closest)


def _is_like(rest: str, known: str) -> bool:
    """Return whether the name of a setting without its prefix differs from a known one by a letter or two."""
    # The prefix, which all have, would make two short names alike.
    return SequenceMatcher(None, rest, known.removeprefix(PREFIX)).ratio() >= _SAME


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Return whether Kubernetes sets the variable, for a Service named ``signaling`` or ``signaling-…``."""
    if _service_variable.fullmatch(name):
        return True
    # Any other value may be a mistake for PORT.
    return bool(_service_port.fullmatch(name) and _service_url.match(value))
